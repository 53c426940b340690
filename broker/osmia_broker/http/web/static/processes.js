// The behaviour of processes, start, deploy and decisions.

import { jsonProblem } from './json.js';

// Few pages show a decision.
const loadDecisions = () => { if (document.querySelector('osmia-decision')) import('./decision.js'); };
loadDecisions();
document.addEventListener('htmx:after:swap', loadDecisions);

// A choice that leads to another address.
document.addEventListener('change', (event) => {
  const target = event.target;
  if (target.matches?.('[data-goes]')) {
    go(target.value);
  } else if (target.matches?.('select[data-starts]')) {
    const form = target.form;
    const process = form.elements.process.value;
    const version = target.name === 'version' ? form.elements.version.value : '';
    if (process) go(`/start/${encodeURIComponent(process)}${version ? `?version=${encodeURIComponent(version)}` : ''}`);
  }
});

function go(address) {
  const link = document.createElement('a');
  link.href = address;
  link.hidden = true;
  document.getElementById('main').append(link);
  window.htmx.process(link);
  link.click();
  link.remove();
}

// A button that fills a field.
document.addEventListener('click', (event) => {
  const button = event.target.closest?.('[data-fills]');
  if (!button) return;
  const field = document.querySelector(button.dataset.fills);
  field.value = button.dataset.value;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  field.focus();
});

// JSON is checked before it is sent, and nothing is sent while it is wrong. The broker checks again.

function check(field) {
  const problem = jsonProblem(field.value.trim() || '{}', field.dataset.wholeJson);
  const place = document.getElementById(field.getAttribute('aria-describedby'));
  if (place) place.textContent = problem;
  if (problem) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
  return !problem;
}

document.addEventListener('input', (event) => {
  if (event.target.matches?.('[data-whole-json][aria-invalid]')) check(event.target);
});

document.addEventListener('submit', (event) => {
  const wrong = [...event.target.querySelectorAll('[data-whole-json]')].filter((field) => !check(field));
  if (!wrong.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  document.getElementById(event.target.dataset.result)?.remove(); // it answers what was sent before
  wrong[0].focus();
}, true);

// --- dropping files on the page

document.addEventListener('dragover', (event) => {
  if (document.querySelector('input[type=file][data-drops]') && event.dataTransfer?.types.includes('Files')) event.preventDefault();
});

document.addEventListener('drop', (event) => {
  const field = document.querySelector('input[type=file][data-drops]');
  if (!field || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  field.files = event.dataTransfer.files;
  field.dispatchEvent(new Event('change', { bubbles: true }));
});
