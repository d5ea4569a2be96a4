// Buttons to copy and to print what is shown once. Without this script they stay hidden.

function textOf(element) {
  const lines = element.matches("ol, ul") ? [...element.children] : [element];
  return lines.map((each) => each.textContent.trim()).join("\n");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  // Only pages in a secure context have a clipboard.
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(textOf(document.getElementById(button.dataset.copy)));
      button.textContent = button.dataset.copied;
    } catch {
      button.textContent = button.dataset.failed;
    }
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
