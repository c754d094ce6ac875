// What all pages share: `periti.api.pages` puts it into each.
const $ = (id) => document.getElementById(id);

// Everything that comes from the service is put in as text, never as HTML.
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function say(text, bad) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", Boolean(bad));
}
