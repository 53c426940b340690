// The behaviour of instances, incidents and diagrams.

import './diagram.js';
import { jsonProblem } from './json.js';
import { restore } from './kept.js';

// A row that is being edited must not stay half typed in the page that replaces this one.
document.addEventListener('htmx:before:swap', (event) => {
  const target = event.detail?.tasks?.find((task) => task.type === 'main')?.target;
  if (target?.id !== 'page') return;
  for (const one of document.querySelectorAll('#main [hx-morph-skip]')) one.removeAttribute('hx-morph-skip');
});

// --- editing a value in its row; while somebody edits, live updates leave the row alone

async function edit(button) {
  const row = button.closest('tr');
  if (row.querySelector('form[data-edit]')) return;
  const shown = row.querySelector('[data-shown]');
  shown.after(row.querySelector('template[data-editor]').content.cloneNode(true));
  const form = row.querySelector('form[data-edit]');
  window.htmx.process(form);
  const field = form.querySelector('textarea');
  begin(row, form, shown);
  if (button.dataset.whole) {
    field.disabled = true;
    const answer = await fetch(button.dataset.whole);
    if (answer.ok) field.value = field.defaultValue = await answer.text();
    field.disabled = false;
    field.focus();
  }
  restore(form);
}

function begin(place, form, shown) {
  place.setAttribute('hx-morph-skip', '');
  shown.hidden = true;
  form.hidden = false;
  (form.querySelector('input:not([type=hidden])') ?? form.querySelector('textarea')).focus();
}

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('button');
  if (!button) return;
  if ('edits' in button.dataset) edit(button);
  else if (button.dataset.adds === '') begin(button.parentElement, button.parentElement.querySelector('form'), button);
  else if ('leaves' in button.dataset) leave(button);
  else if (button.dataset.asText) useAsText(document.getElementById(button.dataset.asText));
});

function leave(button) {
  const form = button.closest('form');
  const place = form.closest('tr') ?? form.parentElement;
  form.reset();
  form.querySelectorAll('textarea').forEach((field) => explain(field, ''));
  if (place.matches('tr') && place.querySelector('template[data-editor]')) form.remove();
  else form.hidden = true;
  const shown = place.querySelector('[data-shown], [data-adds=""]');
  shown.hidden = false;
  place.removeAttribute('hx-morph-skip');
  (place.querySelector('[data-edits]') ?? shown).focus();
}

// --- JSON: checked before it is sent

function problemOf(field) {
  return field.value.trim() || !('optional' in field.dataset) ? jsonProblem(field.value, field.dataset.json) : '';
}

function explain(field, fault) {
  const problem = document.getElementById(`${field.id}-problem`);
  if (fault) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
  problem.hidden = !fault;
  problem.querySelector('[data-text]').textContent = fault;
}

document.addEventListener('submit', (event) => {
  const fields = [...event.target.querySelectorAll('textarea[data-json]')];
  const wrong = fields.filter((field) => {
    const fault = problemOf(field);
    explain(field, fault);
    return fault;
  });
  if (!wrong.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  wrong[0].focus();
}, true);

function useAsText(field) {
  field.value = JSON.stringify(field.value);
  field.dispatchEvent(new Event('input', { bubbles: true }));
  explain(field, '');
  field.focus();
}

// --- the history is a tree: one line is in the tab order, arrow keys go on from there

document.addEventListener('keydown', (event) => {
  const line = event.target.closest?.('[role=treeitem]');
  if (!line || line !== event.target) return;
  const lines = [...line.closest('[role=tree]').querySelectorAll('[role=treeitem]')];
  const here = lines.indexOf(line);
  const level = (one) => Number(one.getAttribute('aria-level'));
  const goals = {
    ArrowDown: () => lines[here + 1],
    ArrowUp: () => lines[here - 1],
    Home: () => lines[0],
    End: () => lines.at(-1),
    ArrowLeft: () => lines.slice(0, here).findLast((one) => level(one) < level(line)),
    ArrowRight: () => (lines[here + 1] && level(lines[here + 1]) > level(line) ? lines[here + 1] : null),
    Enter: () => line.querySelector('a'),
  };
  const goal = goals[event.key]?.();
  if (!goal) return;
  event.preventDefault();
  if (event.key === 'Enter') goal.click();
  else {
    line.tabIndex = -1;
    goal.tabIndex = 0;
    goal.focus();
  }
});

// --- rows that are chosen: the bar of actions says how many

function count(table) {
  const boxes = [...table.querySelectorAll('tbody input[type=checkbox][name]')];
  const chosen = boxes.filter((one) => one.checked).length;
  const bar = document.getElementById(table.dataset.chooses);
  if (!bar) return;
  bar.querySelector('[data-chosen]').textContent = chosen ? `${chosen} selected` : 'None selected';
  const all = table.querySelector('[data-all]');
  if (all) {
    all.checked = boxes.length > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
}

document.addEventListener('change', (event) => {
  const table = event.target.closest?.('table[data-chooses]');
  if (!table || event.target.type !== 'checkbox') return;
  const scope = 'all' in event.target.dataset ? table : 'group' in event.target.dataset ? event.target.closest('tbody') : null;
  scope?.querySelectorAll('tbody input[type=checkbox], input[type=checkbox]').forEach((one) => { one.checked = event.target.checked; });
  count(table);
});

document.addEventListener('htmx:after:swap', () => document.querySelectorAll('table[data-chooses]').forEach(count));

// --- what somebody has unfolded stays so: a long text is left alone meanwhile, a list with an id is opened again after it was refreshed

const unfolded = new Set();

// The page is looked at when it is about to change: the browser reports a moment later that something was unfolded, and what comes between folds it.
document.addEventListener('htmx:before:swap', () => {
  for (const details of document.querySelectorAll('#main details')) {
    if (details.matches('.fold')) details.toggleAttribute('hx-morph-skip', details.open);
    else if (details.id) unfolded[details.open ? 'add' : 'delete'](details.id);
  }
});

document.addEventListener('htmx:after:swap', () => {
  for (const id of unfolded) document.getElementById(id)?.setAttribute('open', '');
});
