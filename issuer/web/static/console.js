// Suggestions while something is typed. `data-suggest` names the lists that are searched; what is
// chosen becomes a ticked box before the field, if the field `data-adds` to a member.

const WAIT = 200; // milliseconds

async function suggested(paths, text) {
  const found = [];
  for (const path of paths.trim().split(" ")) {
    const query = new URLSearchParams({ suggest: text });
    const response = await fetch(`${path}?${query}`, { redirect: "error" });
    if (response.ok) found.push(...(await response.json()));
  }
  return found;
}

function option([value, label]) {
  const made = document.createElement("option");
  made.value = value;
  if (label && label !== value) made.label = `${value} (${label})`;
  return made;
}

function tick(member, value) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  label.className = "tick";
  Object.assign(box, { type: "checkbox", name: `pick ${member} ${value}`, value: "yes" });
  box.checked = true;
  label.append(box, ` ${value}`);
  return label;
}

for (const input of document.querySelectorAll("[data-suggest]")) {
  const { suggest, adds } = input.dataset;
  let timer;
  input.addEventListener("input", (event) => {
    clearTimeout(timer);
    const text = input.value.trim();
    const isChosen = !event.inputType?.startsWith("insertText");
    if (adds && isChosen && [...input.list.options].some((each) => each.value === text)) {
      input.previousElementSibling.append(tick(adds, text));
      input.value = "";
      return;
    }
    if (!suggest.trim() || !text) return;
    timer = setTimeout(async () => {
      try {
        const found = await suggested(suggest, text);
        if (text === input.value.trim()) input.list.replaceChildren(...found.map(option));
      } catch {
        // Without suggestions the field can be typed into all the same.
      }
    }, WAIT);
  });
}
