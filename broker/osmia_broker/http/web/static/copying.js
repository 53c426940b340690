// Buttons that copy a text (data-copies) or the value of a variable in their row (data-copies-value).

import { say } from './said.js';

// A value is copied as a whole, also when only its beginning is shown: then data-copies-value has its address.

function shownBeside(button) {
  const shown = button.closest('tr').querySelector('textarea, pre');
  return shown.value ?? shown.textContent;
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('[data-copies], [data-copies-value]');
  if (!button) return;
  const { copies, copiesValue: address } = button.dataset;
  try {
    await navigator.clipboard.writeText(copies ?? (address ? await (await fetch(address)).text() : shownBeside(button)));
    say('status', 'Copied.');
  } catch {
    say('alert', 'The browser did not allow copying. Select the text instead.');
  }
});
