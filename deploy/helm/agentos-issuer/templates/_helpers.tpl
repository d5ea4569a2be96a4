{{- define "issuer.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "issuer.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "issuer.labels" -}}
{{ include "issuer.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "issuer.secret" -}}
{{- default (include "issuer.name" .) .Values.secret.existing -}}
{{- end -}}

{{- define "issuer.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The path of the URL, without a slash at its end; empty at the root of a host. */ -}}
{{- define "issuer.path" -}}
{{- (urlParse .Values.url).path | trimSuffix "/" -}}
{{- end -}}

{{- define "issuer.host" -}}
{{- (urlParse .Values.url).hostname -}}
{{- end -}}

{{- define "issuer.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "issuer.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "issuer.container" -}}
image: {{ include "issuer.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "issuer.containerSecurityContext" . | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - { name: secrets, mountPath: /run/secrets/issuer, readOnly: true }
  - { name: tmp, mountPath: /tmp }
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "issuer.env" -}}
- { name: ISSUER_URL, value: {{ .Values.url | quote }} }
- { name: ISSUER_DATABASE_URL_FILE, value: /run/secrets/issuer/database-url }
- { name: ISSUER_MASTER_KEY_FILE, value: /run/secrets/issuer/master-key }
- { name: ISSUER_METRICS_TOKEN_FILE, value: /run/secrets/issuer/metrics-token }
{{- range $name, $_ := .Values.secretSettings }}
- { name: {{ $name }}_FILE, value: /run/secrets/issuer/{{ $name }} }
{{- end }}
{{- range $name, $value := .Values.settings }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Secrets are files of root, mode 0444 in a container that has one user. */ -}}
{{- define "issuer.volumes" -}}
- name: tmp
  emptyDir: { medium: Memory, sizeLimit: 64Mi }
- name: secrets
  projected:
    defaultMode: 0444
    sources:
      - secret:
          name: {{ .Values.database.secret.name }}
          items: [{ key: {{ .Values.database.secret.key }}, path: database-url }]
      - secret:
          name: {{ include "issuer.secret" . }}
          items:
            - { key: master-key, path: master-key }
            - { key: metrics-token, path: metrics-token }
      {{- range $name, $source := .Values.secretSettings }}
      - secret:
          name: {{ $source.name }}
          items: [{ key: {{ $source.key }}, path: {{ $name }} }]
      {{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
