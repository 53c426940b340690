// What somebody types into a form that changes something stays in this tab until it is sent or taken back: a reload, another screen, a refusal, a
// session that ended and a broker that is away take nothing of it. What only asks (a filter, a search) is in the address, and the variables of a
// task are a draft that the broker keeps (tasks.js).
//
//   <form method="post" data-keeps="/start/dinner">      the name of what is typed here, if the address of the form does not tell it from others

const FIELDS = 'textarea, select:not([data-starts], [data-goes], [data-submits]), input:not([type=hidden], [type=password], [type=file], [type=checkbox], [type=radio])';
const PREFIX = 'osmia typed';
const known = new WeakMap(); // the key under which the text of a field was looked for
let sent = null; // the form that is under way

// --- names: whose it is, of which form, of which field

function formOf(node) {
  const form = node.closest?.('#main form[method=post]');
  return form && !form.matches('[data-draft], [hx-boost=false]') ? form : null;
}

const owner = () => `${PREFIX}\n${document.getElementById('page').dataset.person}\n`;
const nameOf = (form) => `${owner()}${form.dataset.keeps ?? form.getAttribute('action').split('?')[0]}\n`;

function keyOf(field, form) {
  const same = [...form.elements].filter((one) => one.name === field.name);
  return `${nameOf(form)}${field.name}\n${same.indexOf(field)}`;
}

const fieldsOf = (form) => [...form.querySelectorAll(FIELDS)].filter((one) => one.name);
const begun = (field) => field.defaultValue ?? ([...field.options].find((one) => one.defaultSelected) ?? field.options[0])?.value;

// --- the store: this tab's

function keep(key, text) {
  try {
    if (text === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch { // the browser keeps nothing, or the text is too large for it: it stays in its field, and no older one takes its place
    if (text !== null) keep(key, null);
  }
}

function kept(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

const keysOf = (name) => Object.keys(sessionStorage).filter((key) => key.startsWith(name));
const forget = (name) => keysOf(name).forEach((key) => keep(key, null));

// --- filling in what was kept

// Fill the fields of *form* that the page has brought along, or that have become those of another form.
export function restore(form) {
  for (const field of fieldsOf(form)) {
    const key = keyOf(field, form);
    const isNew = !known.has(field);
    if (known.get(field) === key) continue;
    known.set(field, key);
    const text = kept(key);
    if (text !== null && (!isNew || field.value === begun(field))) field.value = text;
    if ((text === null && !isNew) || field.selectedIndex < 0) field.value = begun(field); // of another form, or not to be chosen any more
  }
}

const forms = () => [...document.querySelectorAll('#main form[method=post]')].filter((form) => formOf(form));
const look = () => forms().forEach(restore);

// The values of a form of form-js, which are in the hidden field *into* of the form around it.
export function keptValues(element, into) {
  const form = formOf(element);
  return form && kept(keyOf(form.elements[into], form));
}

document.addEventListener('osmia:typed', (event) => {
  const form = formOf(event.target);
  if (!form) return;
  event.target.write();
  const into = form.elements[event.target.dataset.into];
  keep(keyOf(into, form), into.value);
});

document.addEventListener('input', (event) => {
  const form = formOf(event.target);
  if (form && event.target.matches(FIELDS)) keep(keyOf(event.target, form), event.target.value === begun(event.target) ? null : event.target.value);
});

document.addEventListener('reset', (event) => {
  const form = formOf(event.target);
  if (form) forget(nameOf(form));
});

// Who signs out leaves nothing behind for whoever comes next.
document.addEventListener('submit', (event) => {
  if (event.target.matches?.('form[action="/logout"]')) forget(owner());
});

// --- sending: what the broker has taken is kept no more

document.addEventListener('submit', (event) => {
  const form = formOf(event.target);
  sent = form && { name: nameOf(form), action: form.getAttribute('action'), dialog: form.closest('dialog')?.id };
});
document.addEventListener('htmx:error', () => { sent = null; });
document.addEventListener('htmx:before:swap', (event) => {
  if (event.detail?.ctx?.response?.status === 401) sent = null;
}, true);

document.addEventListener('osmia:answered', () => {
  const was = sent;
  const isRefused = 'refused' in document.getElementById('page').dataset;
  sent = null;
  if (was && !isRefused) { // the new page may have been merged with the old one, and its fields with what was typed
    forget(was.name);
    forms().filter((form) => nameOf(form) === was.name).forEach((form) => form.reset());
  }
  look();
  if (was && isRefused && keysOf(was.name).length) open(was);
});

// A dialog that was refused is open again, with what was typed, and says why.
function open({ dialog: id, action }) {
  const dialog = id && document.getElementById(id);
  const form = dialog?.querySelector('form');
  if (!form) return;
  if ('targeted' in form.dataset) form.setAttribute('action', action);
  restore(form);
  const why = document.createElement('div');
  why.className = 'refusal';
  why.append(...document.querySelectorAll('#said > [role=alert], #said > [data-of-alert]'));
  form.prepend(why);
  dialog.showModal();
}

document.addEventListener('htmx:after:swap', look);
document.addEventListener('DOMContentLoaded', look);
look();
