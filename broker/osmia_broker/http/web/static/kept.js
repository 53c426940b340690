// What somebody types into a form that changes something stays in this tab until it is sent or taken back. What only asks (a filter, a
// search) is in the address, and the variables of a task are a draft that the broker keeps (drafts.js).
//
//   <form method="post" data-keeps="/start/dinner">      the name of what is typed here, if the address of the form does not tell it from others
//   <input name="to" data-keeps="bake">                  the same of a field, if the form has more of its name

const FIELDS = 'textarea, select:not([data-starts], [data-goes], [data-submits]), input:not([type=hidden], [type=password], [type=file], [type=checkbox], [type=radio])';
const PREFIX = 'osmia typed';
const known = new WeakMap(); // the key under which the text of a field was looked for
const submitted = new WeakMap(); // what was sent, by the event that sent it
let typing = ''; // the key of the field that somebody types in, since the last form was sent
let held = null; // that field, while another page takes the place of its page

// --- names: whose it is, of which form, of which field

function formOf(node) {
  const form = node.closest?.('#main form[method=post]');
  return form && !form.matches('[data-draft], [hx-boost=false]') ? form : null;
}

const owner = () => `${PREFIX}\n${document.getElementById('page').dataset.person}\n`;
const nameOf = (form) => `${owner()}${form.dataset.keeps ?? form.getAttribute('action').split('?')[0]}\n`;
export const draftOf = (form) => `${owner()}${form.dataset.draft}\n`;
export const keptAs = (form) => (formOf(form) ? nameOf(form) : draftOf(form));

const keyOf = (field, form) => `${nameOf(form)}${field.name}\n${field.dataset.keeps ?? ''}`;
const fieldsOf = (form) => [...form.querySelectorAll(FIELDS)].filter((one) => one.name);
const begun = (field) => field.defaultValue ?? ([...field.options].find((one) => one.defaultSelected) ?? field.options[0])?.value;

// --- the store: this tab's

export function keep(key, text) {
  try {
    if (text === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch { // the browser keeps nothing, or the text is too large for it: it stays in its field, and no older one takes its place
    if (text !== null) keep(key, null);
  }
}

export function kept(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

const keysOf = (name) => Object.keys(sessionStorage).filter((key) => key.startsWith(name));
const textsOf = (name) => new Map(keysOf(name).map((key) => [key, kept(key)]));
export const forget = (name) => keysOf(name).forEach((key) => keep(key, null));

// --- filling in what was kept

// Fill the fields of *form* that the page has brought along, has merged, or that have become those of another form.
export function restore(form) {
  if (fieldsOf(form).some((field) => isGone(field, kept(keyOf(field, form))))) {
    forget(nameOf(form));
    empty(form);
  }
  for (const field of fieldsOf(form)) {
    const key = keyOf(field, form);
    const text = kept(key);
    const before = known.get(field);
    known.set(field, key);
    if (text !== null && (before || field.value === begun(field))) write(field, text);
    if (text === null && before && before !== key) write(field, begun(field));
  }
}

// Something was chosen that is not to be chosen any more. What was typed beside it was meant for that.
const isGone = (field, text) => text !== null && field.options && ![...field.options].some((one) => one.value === text);

function write(field, text) {
  if (field.value !== text) field.value = text;
}

const forms = () => [...document.querySelectorAll('#main form[method=post]')].filter((form) => formOf(form));
const restoreAll = () => forms().forEach(restore);

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
  if (!form || !event.target.matches(FIELDS)) return;
  typing = keyOf(event.target, form);
  keep(typing, event.target.value === begun(event.target) ? null : event.target.value);
  const fields = fieldsOf(form);
  const isTyped = fields.some((field) => field.value !== begun(field));
  for (const choice of fields.filter((field) => field.options)) { // also one that is as it began: the next time it may begin with another
    keep(keyOf(choice, form), isTyped ? choice.value : null);
  }
});

document.addEventListener('reset', (event) => {
  const form = formOf(event.target);
  if (form) forget(nameOf(form));
});

// Who signs out leaves nothing behind for whoever comes next.
document.addEventListener('submit', (event) => {
  if (event.target.matches?.('form[action="/logout"]')) forget(owner());
});

// --- sending: what the broker has taken is kept no more; what was typed meanwhile is

document.addEventListener('submit', (event) => {
  const form = formOf(event.target);
  typing = '';
  if (form) submitted.set(event, { ...placeOf(form), texts: textsOf(nameOf(form)) });
});

const placeOf = (form) => ({ name: nameOf(form), action: form.getAttribute('action'), dialog: form.closest('dialog')?.id });

// The answer counts even if its page has no place any more, because that of another form came first.
document.addEventListener('htmx:after:request', ({ detail: { ctx } }) => {
  const was = submitted.get(ctx.sourceEvent);
  if (!was) return;
  const page = new DOMParser().parseFromString(ctx.text, 'text/html').getElementById('page');
  was.isTaken = page !== null && !('refused' in page.dataset);
  if (!was.isTaken) return;
  for (const [key, text] of was.texts) {
    if (kept(key) === text) keep(key, null);
  }
  forms().filter((form) => nameOf(form) === was.name).forEach(empty); // the new page may be merged with this one
});

function empty(form) {
  for (const field of fieldsOf(form)) write(field, kept(keyOf(field, form)) ?? begun(field));
}

document.addEventListener('htmx:before:swap', ({ detail }) => {
  const was = submitted.get(detail?.ctx?.sourceEvent);
  if (was?.dialog) was.isOpen = document.getElementById(was.dialog)?.open;
  const field = document.activeElement;
  const isPage = detail?.tasks?.some((task) => task.type === 'main' && task.target?.id === 'page');
  if (!isPage || !typing || known.get(field) !== typing) return;
  held = { ...placeOf(field.form), ctx: detail.ctx, key: typing, from: field.selectionStart, to: field.selectionEnd };
}, true);

document.addEventListener('htmx:after:swap', ({ detail }) => {
  const was = submitted.get(detail?.ctx?.sourceEvent);
  restoreAll();
  if (was?.isTaken === false && (was.isOpen || keysOf(was.name).length)) open(was);
  if (!held || held.ctx !== detail.ctx) return;
  const isOver = held.dialog && was?.isTaken && was.name === held.name;
  if (!isOver) goOn(held);
  held = null;
});

// Who was typing when the page came goes on typing in the same field.
function goOn({ key, dialog, action, from, to }) {
  if (dialog && !document.querySelector('dialog[open]')) show(dialog, action);
  const field = forms().flatMap(fieldsOf).find((one) => known.get(one) === key);
  if (!field?.checkVisibility()) return;
  field.focus({ preventScroll: true });
  if (typeof from === 'number') field.setSelectionRange(from, to);
}

// A refused dialog is open again with what was typed, and says why, unless it was closed meanwhile.
function open({ dialog, action }) {
  const form = show(dialog, action);
  if (form) sayWhy(form);
}

function sayWhy(form) {
  const why = document.createElement('div');
  why.className = 'refusal';
  why.append(...document.querySelectorAll('#said > [role=alert], #said > [data-of-alert]'));
  form.prepend(why);
}

function show(id, action) {
  const dialog = id && document.getElementById(id);
  const form = dialog?.querySelector('form');
  if (!form) return null;
  if ('targeted' in form.dataset) form.setAttribute('action', action);
  restore(form);
  openerOf(dialog, form)?.focus({ preventScroll: true }); // there the focus goes back to when the dialog is closed
  dialog.showModal();
  return form;
}

function openerOf(dialog, form) {
  const openers = [...document.querySelectorAll('[data-opens]')].filter((one) => one.dataset.opens === dialog.id);
  return openers.find((one) => one.dataset.target === form.getAttribute('action')) ?? openers[0];
}

document.addEventListener('DOMContentLoaded', restoreAll);
restoreAll();

// --- who somebody is: the form loads the page anew, and only what was refused comes back

const SWITCH = 'form[action="/switch-user"]';
const SWITCHED = `${PREFIX}\nperson`;

document.addEventListener('submit', (event) => {
  if (event.target.matches?.(SWITCH)) keep(SWITCHED, JSON.stringify(fieldsOf(event.target).map((field) => [field.name, field.value])));
});

function switchAgain() {
  const typed = kept(SWITCHED);
  const form = document.querySelector(SWITCH);
  keep(SWITCHED, null);
  if (!typed || !form || !document.querySelector('#said > [role=alert]')) return;
  for (const [name, text] of JSON.parse(typed)) write(form.elements[name], text);
  const dialog = form.closest('dialog');
  openerOf(dialog, form)?.focus({ preventScroll: true });
  dialog.showModal();
  sayWhy(form);
}

switchAgain();
