// Asks the browser for a passkey, and sends its answer as a form (WebAuthn).
// A button with `data-passkey="PATH"` does it for the form it is in: POST PATH/options gives what to
// ask for as JSON, and the answer goes to PATH as the field `credential`. The texts of errors are in
// the button as well.

const SENT = ["form", "request", "next", "name"];

const decoded = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const withId = (descriptor) => ({ ...descriptor, id: decoded(descriptor.id) });

// Not `parseCreationOptionsFromJSON` and `toJSON`: older browsers have passkeys without them.
async function credentialFor(options) {
  const publicKey = { ...options, challenge: decoded(options.challenge) };
  if (options.user) {
    publicKey.user = withId(options.user);
    publicKey.excludeCredentials = (options.excludeCredentials ?? []).map(withId);
    return navigator.credentials.create({ publicKey });
  }
  publicKey.allowCredentials = (options.allowCredentials ?? []).map(withId);
  return navigator.credentials.get({ publicKey });
}

function asJson({ id, type, rawId, response }) {
  const answer = { clientDataJSON: encoded(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) answer[name] = encoded(response[name]);
  }
  if (response.getTransports) answer.transports = response.getTransports();
  return JSON.stringify({ id, type, rawId: encoded(rawId), response: answer });
}

function fieldsOf(form) {
  const typed = new FormData(form);
  return SENT.filter((name) => typed.has(name)).map((name) => [name, typed.get(name)]);
}

async function optionsFrom(path, fields) {
  const response = await fetch(`${path}/options`, {
    method: "POST",
    body: new URLSearchParams(fields),
  });
  const answer = await response.json();
  if (!answer.options) throw new Error(answer.error);
  return answer.options;
}

function send(path, fields) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = path;
  for (const [name, value] of fields) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}

function reasonOf(error, texts) {
  if (error.name === "InvalidStateError") return texts.exists;
  if (error instanceof DOMException) return texts.unused;
  return error.message || texts.failed;
}

for (const button of document.querySelectorAll("[data-passkey]")) {
  const { form } = button;
  const message = form.querySelector("[data-passkey-error]");
  if (!window.PublicKeyCredential) {
    message.textContent = button.dataset.missing ?? "";
    continue;
  }
  button.hidden = false;
  button.addEventListener("click", async () => {
    const path = button.dataset.passkey;
    const name = form.elements.namedItem("name");
    if (name && !name.reportValidity()) return;
    button.disabled = true;
    message.textContent = "";
    try {
      const fields = fieldsOf(form);
      const credential = await credentialFor(await optionsFrom(path, fields));
      send(path, [...fields, ["credential", asJson(credential)]]);
    } catch (error) {
      message.textContent = reasonOf(error, button.dataset);
      button.disabled = false;
    }
  });
}
