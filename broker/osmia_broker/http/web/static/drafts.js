// Drafts of a task: what somebody types is never lost. While a task has input that was not sent, live updates leave its fields alone, and the broker
// keeps a draft of it for this person.

import { say } from './said.js';

const DRAFT_PAUSE_MS = 700;
export const work = () => document.getElementById('task-form');

let saving = 0;
let savingTo = '';
let isTypedSince = false; // since a form was sent

// There is input from now on: live updates leave the fields alone.
export function begun(form) {
  if (form) form.dataset.dirty = '';
  document.getElementById('task-work')?.removeAttribute('data-live');
}

export function typed(form) {
  if (!form?.dataset.draft) return;
  isTypedSince = true;
  begun(form);
  clearTimeout(saving);
  savingTo = form.dataset.draft;
  saving = setTimeout(saveUnsaved, DRAFT_PAUSE_MS);
}

document.addEventListener('input', ({ target: { form } }) => {
  if (form && form === work()) typed(form);
});
document.addEventListener('osmia:typed', (event) => typed(event.target.closest('form')));

// The form whose draft waits to be saved. The page may have gone on to another task, or to none, since something was typed.
function unsaved() {
  const form = work();
  return saving && form?.dataset.draft === savingTo ? form : null;
}

function saveUnsaved() {
  const form = unsaved();
  if (form) save(form);
}

function stopSaving() {
  clearTimeout(saving);
  saving = 0;
}

async function save(form) {
  stopSaving();
  form.querySelectorAll('osmia-form').forEach((one) => one.write());
  const body = new URLSearchParams(new FormData(form));
  try {
    // A redirect leads to the sign-in: nothing was kept.
    const answer = await fetch(form.dataset.draft, { method: 'POST', body, redirect: 'manual', keepalive: body.toString().length < 60000 });
    if (!answer.ok || !form.isConnected) return;
  } catch {
    return; // the next change tries again
  }
  form.querySelectorAll('[data-draft-note], [data-discards]').forEach((one) => { one.hidden = false; });
  const hasFiles = [...form.querySelectorAll('osmia-form')].some((one) => one.hasUnsentFiles);
  form.querySelectorAll('[data-draft-files]').forEach((one) => { one.hidden = !hasFiles; });
}

// What was typed a moment ago is kept before the page goes on.
document.addEventListener('submit', async (event) => {
  const form = unsaved();
  if (!form || event.target === form || !event.target.closest?.('#page')) return;
  if (event.target.id === 'discard-draft') {
    stopSaving();
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  const { submitter } = event;
  await save(form);
  if (submitter?.isConnected) event.target.requestSubmit(submitter);
  else event.target.requestSubmit();
}, true);
document.addEventListener('click', (event) => {
  if (event.target.closest?.('a[href]')) saveUnsaved();
}, true);
window.addEventListener('pagehide', saveUnsaved);

// The page that answers another form may have been made before something was typed here: these fields go over to it as they are.
document.addEventListener('submit', (event) => { // it passed all that checks it
  isTypedSince = false;
  if (event.target === work()) stopSaving();
});
document.addEventListener('htmx:before:swap', ({ detail }) => {
  const page = detail?.tasks?.find((task) => task.type === 'main' && task.target?.id === 'page');
  const sent = detail?.ctx?.sourceElement;
  if (!page || !isTypedSince || !sent?.matches?.('form[method=post]') || sent.closest('#task-work, .proposals')) return; // those write a draft
  const next = page.fragment.querySelector('#task-form');
  if (next?.dataset.draft && next.dataset.draft === work()?.dataset.draft) next.closest('#task-work').setAttribute('hx-preserve', '');
  else saveUnsaved();
});

// A draft that the page brought along counts as typed. If the task goes to somebody else, the fields stay, but say so; if it
// comes back, they can be sent again.
function lookAtOwner() {
  const form = work();
  const head = document.getElementById('task-head');
  if (!head || !form || !('dirty' in form.dataset)) return;
  begun(form);
  const lost = head.dataset.mine ? '' : head.querySelector('.who').firstElementChild.textContent.trim(); // without when, and why it is listed
  if (lost === (form.dataset.lost ?? '')) return;
  form.dataset.lost = lost;
  form.querySelectorAll('[data-shortcut="Ctrl+Enter"]').forEach((one) => { one.disabled = Boolean(lost); });
  if (lost) say('alert', `This task is no longer yours (${lost}). What you typed is still here, but it cannot be sent.`);
  else say('status', 'This task is yours again. What you typed is still here.');
}
document.addEventListener('htmx:after:swap', lookAtOwner);
document.addEventListener('DOMContentLoaded', lookAtOwner);
lookAtOwner();
