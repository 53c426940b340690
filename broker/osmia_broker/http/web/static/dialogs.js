// Dialogs: a button with data-opens="<id>" opens one, data-closes closes it. Escape and the focus are the browser's own affair.

document.addEventListener('click', (event) => {
  const opener = event.target.closest?.('[data-opens]');
  if (opener) {
    const dialog = document.getElementById(opener.dataset.opens);
    if (dialog && !dialog.open) dialog.showModal();
    return;
  }
  event.target.closest?.('[data-closes]')?.closest('dialog')?.close();
});

// What was typed into a dialog that is cancelled has no effect: the next opening begins as the first did.
document.addEventListener('close', (event) => {
  if (event.target.matches?.('dialog')) event.target.querySelectorAll('form').forEach((form) => form.reset());
}, true);
