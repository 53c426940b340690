// What a person types for a number, a date or a time, before the viewer of forms reads it.
//
// The viewer takes "2026-12-31" for some other day where days are written otherwise, empties a field whose text it cannot read, leaves out the keys that
// make no number (so that 1.200,50 becomes 1.20050), and hangs at a number that is too large. Here a text has one meaning or none: with none it stays in
// its field, and the field says so.

const NUMBER = 'Field must be a number, and not larger than 1.7e308.';
const TIME = 'Field must be a time, such as 14:30 or 02:30 PM.';
const ISO = /^(?<Y>\d{4})-(?<m>\d{1,2})-(?<d>\d{1,2})$/;
const PARTS = { d: 'd', j: 'd', m: 'm', n: 'm', Y: 'Y', y: 'y' }; // of the formats of dates
const TIMES = [/^(?:[01]?\d|2[0-3])[:.][0-5]\d$/, /^(?:0?[1-9]|1[0-2])(?:[:.][0-5]\d)?\s*[ap]m$/i];

// Let the viewer take a number that is too large for none. It would compare it for ever with what is left of it in JSON, which is nothing.
export function bounded(viewer) {
  const { config } = viewer.Numberfield;
  const { sanitizeValue } = config;
  config.sanitizeValue = (asked) => (Number.isFinite(Number(asked.value)) ? sanitizeValue(asked) : null);
  return viewer;
}

const ALL_WHOLE = 1e21; // from here on the viewer writes a number with an exponent, and looks in vain for the point of its decimal digits
const hasExponent = (value) => Math.abs(Number(value)) >= ALL_WHOLE && !/^[^e]*\.[^e]*$/i.test(value);

// Let the viewer check a number that it writes with an exponent: as a whole one, for its decimal digits cannot be counted.
export function countable(form) {
  const validator = form.get('validator');
  const check = validator.validateFieldInstance;
  validator.validateFieldInstance = (instance, value) => {
    const field = form.get('formFieldRegistry').get(instance.id);
    if (field?.decimalDigits === undefined || !hasExponent(value)) return check.call(validator, instance, value);
    const { decimalDigits } = field;
    delete field.decimalDigits;
    try {
      return check.call(validator, instance, value);
    } finally {
      field.decimalDigits = decimalDigits;
    }
  };
}

// The texts of a format of dates: its day, month and year, and between them just what it has there, except for spaces.
function pattern(format) {
  const digits = { d: '(?<d>\\d{1,2})', m: '(?<m>\\d{1,2})', Y: '(?<Y>\\d{4})', y: '(?<y>\\d{2})' };
  const parts = [...format].map((one) => digits[PARTS[one]] ?? (/[\s\p{Cf}]/u.test(one) ? '' : `\\u{${one.codePointAt(0).toString(16)}}`));
  return new RegExp(`^${parts.join('[\\s\\p{Cf}]*')}$`, 'u');
}

function readDate(text, format) {
  const { d, m, Y, y } = (ISO.exec(text.trim()) ?? pattern(format).exec(text.trim()))?.groups ?? {};
  const date = new Date(Number(Y ?? 2000 + Number(y)), m - 1, d);
  return date.getMonth() === m - 1 && date.getDate() === Number(d) ? date : undefined;
}

function problemOfDate(text, picker) {
  const { dateFormat: format, minDate } = picker.config;
  const written = (date) => picker.formatDate(date, format);
  const date = readDate(text, format);
  if (date) return picker.isEnabled(date) ? '' : `Field must be a date that is not before ${written(minDate)}.`;
  const year = new Date().getFullYear();
  return `Field must be a date, such as ${written(new Date(year, 11, 31))} or ${year}-12-31.`;
}

const isDate = (input) => Boolean(input?._flatpickr);
const isTime = (input) => Boolean(input?.closest?.('.fjs-timepicker'));
const isNumber = (input) => Boolean(input?.matches?.('.fjs-form-field-number input'));

function problemOf(input) {
  const text = input.value.trim();
  if (!text || input.disabled || input.readOnly) return '';
  if (isDate(input)) return problemOfDate(text, input._flatpickr);
  if (isTime(input)) return TIMES.some((one) => one.test(text)) ? '' : TIME;
  return Number.isFinite(Number(text.replaceAll(',', '.'))) ? '' : NUMBER;
}

const ENDS = { number: [''], datetime: ['-date', '-time'] }; // of the ids of the inputs of a field, by its type

// The inputs of a form whose texts have rules of spelling: each with its name, and with the place of its field among the errors.
function inputs(form, within) {
  const fields = form.get('formFieldRegistry');
  return form.get('formFieldInstanceRegistry').getAllKeyed().flatMap(({ id, indexes }) => {
    const place = [id, ...Object.values(indexes ?? {})];
    return (ENDS[fields.get(id).type] ?? [])
      .map((end) => `${place.join('_')}${end}`)
      .map((name) => ({ name, input: within.querySelector(`#${CSS.escape(`fjs-form-${form._id}-${name}`)}`), place }))
      .filter(({ input }) => input);
  });
}

const FRAMES = 4; // in which the viewer takes a text, step by step, after its field is left
const FRAMES_BEFORE_SENDING = 8; // it took more than four once, on a busy machine
const unread = new WeakMap(); // by form: the field of a date or a time in which somebody has typed since the form was read
const reading = new WeakMap(); // by form: what to wait for
const wrong = new WeakMap(); // by form: the texts that mean nothing, by their fields

function drawn(frames = FRAMES) {
  const frame = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
  return [...Array(frames)].reduce((before) => before.then(frame), Promise.resolve());
}

// The viewer empties the field of a time that it has not read, and shows the last number that it has read, whenever it draws them anew. What somebody
// has typed there comes back.
function putBack(within) {
  for (const [input, text] of wrong.get(within) ?? []) {
    if (!input.isConnected || (isNumber(input) ? input.value === text : input.value)) continue;
    put(input, text);
  }
}

// A busy machine draws late.
async function drawnAgain(within) {
  for (let turn = 0; turn < FRAMES; turn += 1) {
    await drawn();
    putBack(within);
  }
}

function put(input, text) {
  input.value = text;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}

// What is typed in a form and means nothing: the place of each field and what it says, of a date and a time together all that is wrong.
export function misspelt(form, within) {
  putBack(within);
  const places = new Map(inputs(form, within).map(({ place }) => [place.join(), place]));
  return [...places.values()].map((place) => ({ place, text: problemAt(form, within, place) })).filter(({ text }) => text);
}

function problemAt(form, within, place) {
  const here = inputs(form, within).filter((one) => one.place.join() === place.join());
  return here.map(({ input }) => problemOf(input)).filter(Boolean).join(' ');
}

// The texts of a form that mean nothing, by the names of their inputs.
export function unreadTexts(form, within) {
  putBack(within);
  return Object.fromEntries(inputs(form, within).filter(({ input }) => problemOf(input)).map(({ name, input }) => [name, input.value]));
}

// Have the viewer read the date or the time that is being typed; return what to wait for, or nothing.
export function readLast(within) {
  const input = unread.get(within);
  if (!input?.isConnected) return reading.get(within);
  unread.delete(within);
  if (document.activeElement === input) input.blur();
  reading.set(within, drawn(FRAMES_BEFORE_SENDING).then(() => { reading.delete(within); }));
  return reading.get(within);
}

// Keep what means nothing from the pickers of dates and times, and teach them how the rest is read, until `signal` ends it. `tell` is called with the
// place of a field that is left, what is wrong there, and what was: the viewer leaves an error as long as it reads the same value, and takes away one
// that it has not found itself. `before` are texts that meant nothing when the page was left.
export function guard(form, within, { signal, tell, before }) {
  const texts = new Map();
  const told = new Map(); // what fields say, by their places
  wrong.set(within, texts);
  const tellOf = (place) => {
    putBack(within);
    const last = told.get(place.join());
    const text = problemAt(form, within, place);
    told.set(place.join(), text);
    if (text || last) tell(place, text, last);
  };
  const typedBefore = () => inputs(form, within).filter(({ name, input }) => name in before && !input.disabled && !input.readOnly);
  if (Object.keys(before).length) {
    drawn().then(() => typedBefore().forEach(({ name, input, place }) => { // over what the viewer has read of it, or a default
      texts.set(input, before[name]);
      put(input, before[name]);
      tellOf(place);
    })).then(() => drawnAgain(within)); // what a field says makes the viewer draw it once more
  }
  form.on('changed', () => { // a listener that returned something would be the last one
    if (texts.size) drawn().then(() => putBack(within));
  });
  form.on('reset', () => { texts.clear(); });
  const stop = (event) => event.stopImmediatePropagation();
  const isWrong = (input) => (isDate(input) || isTime(input)) && problemOf(input);
  within.addEventListener('input', (event) => {
    const { target } = event;
    if (isNumber(target) && problemOf(target)) {
      texts.set(target, target.value);
      stop(event);
      return;
    }
    if (texts.get(target) === target.value) return; // it was put back
    texts.delete(target);
    if (isDate(target) || isTime(target)) unread.set(within, target);
    if (isDate(target)) target._flatpickr.config.parseDate = readDate;
  }, { capture: true, signal });
  within.addEventListener('keydown', (event) => {
    if (['Enter', 'ArrowDown'].includes(event.key) && isWrong(event.target)) stop(event);
    if (['ArrowUp', 'ArrowDown'].includes(event.key) && isNumber(event.target)) texts.delete(event.target); // the viewer counts from its last number
  }, { capture: true, signal });
  within.addEventListener('keypress', (event) => {
    if (isNumber(event.target) && (problemOf(event.target) || !/^\d$/.test(event.key))) stop(event); // no key is left out of a text
  }, { capture: true, signal });
  within.addEventListener('click', ({ target }) => {
    const arrows = target.closest('.fjs-number-arrow-container');
    if (arrows) texts.delete(arrows.parentElement.querySelector('input'));
  }, { capture: true, signal });
  within.addEventListener('blur', (event) => {
    const { target, relatedTarget } = event;
    const found = inputs(form, within).find(({ input }) => input === target);
    if (!found || target._flatpickr?.calendarContainer.contains(relatedTarget)) return;
    if (isWrong(target)) {
      stop(event);
      target._flatpickr?.close();
    }
    if (problemOf(target)) texts.set(target, target.value);
    requestAnimationFrame(() => tellOf(found.place)); // after the viewer has checked the field in its own way
    drawn().then(() => tellOf(found.place)); // which it does once more if it has taken another value before
  }, { capture: true, signal });
  // A click beside the calendar makes the picker read the text before the field loses the focus.
  const away = ({ target }) => {
    const input = document.activeElement;
    const picker = within.contains(input) && input._flatpickr;
    if (picker && isWrong(input) && target !== input && !picker.calendarContainer.contains(target)) picker.close();
  };
  for (const kind of ['mousedown', 'touchstart']) window.addEventListener(kind, away, { capture: true, passive: true, signal });
}
