#!/bin/sh
# Make the secrets of compose.yaml that do not exist yet, in `secrets` beside it: docs/how-to/compose.md.
# What exists stays as it is. The directory protects the files; containers read them as other users.
set -eu
cd "$(dirname "$0")"
[ -d secrets ] || mkdir -m 700 secrets

keep() { # the standard input as the secret of this name, complete or not at all
    cat > secrets/.new && [ -s secrets/.new ] && chmod 444 secrets/.new && mv secrets/.new "secrets/$1"
    echo "Made deploy/secrets/$1."
}

[ -e secrets/master_key ] || openssl rand -base64 32 | keep master_key
for name in admin_secret metrics_token postgres_password grafana_password; do
    [ -e "secrets/$name" ] || openssl rand -hex 32 | keep "$name"
done
[ -e secrets/database_url ] ||
    echo "postgresql://issuer:$(cat secrets/postgres_password)@postgres/issuer" | keep database_url

# The issuer refuses secrets of another user than itself or root, which rootless Docker maps to this user.
if [ "$(uname)" = Linux ] && [ "$(id -u)" != 0 ] && [ -n "$(find secrets -type f ! -user root)" ] &&
    ! docker info --format '{{.SecurityOptions}}' | grep --quiet rootless; then
    echo 'Giving the secrets to root, so that containers may read them:'
    sudo chown root secrets/*
fi
