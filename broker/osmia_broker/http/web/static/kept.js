// What somebody types into a field with `data-kept` stays in this tab until it is sent, also when the page goes on or is loaded again.
//
//   <textarea data-kept="comment anna 42">      the name under which its text is kept: whose it is, and of what

const known = new WeakSet();
let sent = ''; // the name whose text is under way

function keep(field) {
  try {
    if (field.value) sessionStorage.setItem(field.dataset.kept, field.value);
    else sessionStorage.removeItem(field.dataset.kept);
  } catch {
    // the browser keeps nothing, or the text is too large for it: it stays in its field
  }
}

function kept(name) {
  try {
    return sessionStorage.getItem(name) ?? '';
  } catch {
    return '';
  }
}

// A field that the page brought along: the broker has refused its text and given it back, or taken it, or it was never sent.
function look() {
  for (const field of document.querySelectorAll('[data-kept]')) {
    if (known.has(field)) continue;
    known.add(field);
    if (!field.value && field.dataset.kept !== sent) field.value = kept(field.dataset.kept);
    if (field.dataset.kept === sent) sent = '';
    keep(field);
  }
}

document.addEventListener('input', (event) => {
  if (!event.target.matches?.('[data-kept]')) return;
  if (event.target.dataset.kept === sent) sent = '';
  keep(event.target);
});
document.addEventListener('submit', (event) => {
  sent = event.target.querySelector?.('[data-kept]')?.dataset.kept ?? '';
});
document.addEventListener('htmx:error', () => { sent = ''; });
document.addEventListener('htmx:after:swap', look);
document.addEventListener('DOMContentLoaded', look);
look();
