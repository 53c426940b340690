// A form that is pressed again while it is under way, with nothing else in it, is not sent again: a second press of "Start instance" meant the same
// instance. With something else in it, it is sent after the first.

const underWay = new WeakMap(); // what was sent last, by form

function contentsOf(form, submitter) {
  const fields = [...new FormData(form, submitter)].map(([name, value]) => [name, value.name ?? value, value.size, value.lastModified]);
  return JSON.stringify([form.getAttribute('action'), fields]);
}

const isSent = (form) => form.matches?.('#page form[method=post]:not([hx-boost=false])');

document.addEventListener('submit', (event) => {
  if (!isSent(event.target) || underWay.get(event.target) !== contentsOf(event.target, event.submitter)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

document.addEventListener('submit', (event) => { // it passed all that checks it
  if (isSent(event.target)) underWay.set(event.target, contentsOf(event.target, event.submitter));
});

document.addEventListener('htmx:finally:request', (event) => underWay.delete(event.detail.ctx.sourceElement));
