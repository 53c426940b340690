// A form of form-js inside of an HTML form.
//
//   <osmia-form data-schema="#id of a JSON script" data-values="#id of a JSON script" data-into="name of a hidden input"
//     data-uploads="address that stores a file" [data-documents="address below which the documents of the values are"] [data-readonly] hx-ignore>
//   (no input of the form around it may be called "form": htmx would take it for the form itself)
//
// When the form around it is sent, it is checked: either the fields say what is wrong and nothing is sent, or the values are written into the
// hidden input as JSON. The viewer is loaded by the first such element.
//
// Files that were chosen are stored first, one after the other, and the values have their references. A file that is stored is not sent again
// when the form is.

import { loadScript, loadStyle } from './bundles.js';
import { keptValues } from './kept.js';
import { say } from './said.js';
import { mebibytes, most } from './sizes.js';

const FILES_MAX = 100; // whoever chooses more has taken a whole folder by mistake
const NO_ID = /^\.{0,2}$|[\ud800-\udfff]/u; // names a folder, or is half of a character
let viewer = null;
let spellings = null; // only a form needs it
let unread = null;

async function load() {
  spellings ??= await import('./spellings.js');
  unread ??= await import('./unread.js');
  loadStyle('@bpmn-io/form-js/dist/assets/form-js.css');
  await loadScript('@bpmn-io/form-js/dist/form-viewer.umd.js');
  viewer ??= spellings.bounded(window.FormViewer);
  return viewer;
}

const at = (data, path) => path.reduce((value, part) => value?.[part], data);
const areReferences = (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one?.documentId === 'string');

class OsmiaForm extends HTMLElement {
  #stored = new WeakMap(); // references by file
  #gone = new AbortController(); // of the viewer
  #keepUnread = null;
  static observedAttributes = ['data-readonly'];

  constructor() {
    super();
    // A button of the form itself that sends does what the button of the page does.
    this.addEventListener('submit', (event) => {
      event.preventDefault();
      event.stopPropagation();
      const around = this.closest('form');
      const button = around?.querySelector('button.primary:not([type=button])');
      if (button && !('readonly' in this.dataset)) around.requestSubmit(button);
    });
  }

  // A live update may change who may fill the form in.
  attributeChangedCallback() {
    this.form?.setProperty('readOnly', 'readonly' in this.dataset);
  }

  connectedCallback() {
    if (!this.form) this.loading ??= this.#load();
  }

  async #load() {
    try {
      const { Form } = await load();
      if (!this.isConnected) return;
      const schema = JSON.parse(document.querySelector(this.dataset.schema).textContent);
      const values = JSON.parse(keptValues(this, this.dataset.into) ?? document.querySelector(this.dataset.values).textContent);
      this.replaceChildren();
      // What is typed counts at once: the viewer would wait 0.3 s, and forgets it when it draws itself anew meanwhile.
      const form = new Form({ container: this, debounce: false, additionalModules: [this.#previews()] });
      spellings.countable(form);
      this.#keepDocuments(form.get('fileRegistry'));
      await form.importSchema(schema, values);
      if ('readonly' in this.dataset) form.setProperty('readOnly', true);
      this.form = form;
      this.#gone = new AbortController();
      this.#keepUnread = unread.follow(this, {
        signal: this.#gone.signal,
        tell: (...said) => this.#tell(...said),
        mark: (problems) => this.#mark(problems),
        unsent: () => this.#pickers().map(({ place, files }) => ({ place, files, names: files.filter((one) => !this.#stored.has(one)).map(({ name }) => name) })),
      });
      let before = this.#values();
      form.on('changed', () => {
        const values = this.#values();
        if (values === before && !this.hasUnsentFiles) return;
        before = values;
        this.dispatchEvent(new CustomEvent('osmia:typed', { bubbles: true }));
      });
    } catch (fault) {
      this.textContent = 'This form cannot be shown. Use the variables below.';
      say('alert', `The form cannot be shown: ${fault.message}`);
    } finally {
      this.loading = null;
    }
  }

  disconnectedCallback() {
    // A move inside of the page disconnects and connects again.
    setTimeout(() => {
      if (this.isConnected) return;
      this.#gone.abort();
      this.form?.destroy();
      this.form = null;
    });
  }

  // Tells the viewer where the documents are that a form shows; nowhere (an empty text) if a value names none that can be there, and in the form of
  // a start, which has none yet. Without a text, the viewer would fetch whatever address the value itself names.
  #previews() {
    const { documents } = this.dataset;
    const isId = (id) => typeof id === 'string' && !NO_ID.test(id);
    const buildUrl = ({ documentId: id }) => (documents && isId(id) ? new URL(`${documents}/${encodeURIComponent(id)}`, location.href).href : '');
    return { documentEndpointBuilder: ['value', { buildUrl }] };
  }

  // A picker takes the key of its files as its value, and forgets any other value. Here a list of references is a key too: of files that are stored,
  // until others are chosen. So documents of an earlier step, or of a completion that was refused, are shown by name and stay.
  #keepDocuments(chosen) {
    const kept = new Map();
    const filesOf = (references) => {
      const key = JSON.stringify(references);
      if (!kept.has(key)) {
        kept.set(key, references.map((one) => {
          const file = new File([], one.metadata?.fileName ?? one.documentId);
          this.#stored.set(file, one);
          return file;
        }));
      }
      return kept.get(key);
    };
    const { getFiles, hasKey, setFiles, deleteFiles } = chosen;
    chosen.getFiles = (key) => (areReferences(key) ? filesOf(key) : getFiles.call(chosen, key));
    chosen.hasKey = (key) => areReferences(key) || hasKey.call(chosen, key);
    chosen.setFiles = (key, files) => (areReferences(key) ? kept.set(JSON.stringify(key), files) : setFiles.call(chosen, key, files));
    chosen.deleteFiles = (key) => (areReferences(key) ? kept.delete(JSON.stringify(key)) : deleteFiles.call(chosen, key));
  }

  // The values, with references in place of files. Where files are not stored yet, the documents from before stand.
  #values() {
    const data = this.form._getSubmitData();
    for (const { path, value, files } of this.#pickers()) {
      const isStored = files.length && files.every((one) => this.#stored.has(one));
      const before = areReferences(value) ? value : null;
      at(data, path.slice(0, -1))[path.at(-1)] = isStored ? files.map((one) => this.#stored.get(one)) : before;
    }
    return JSON.stringify(data);
  }

  // The file pickers of the form: the path of each among the values, its place among the errors, and the files that are chosen there.
  #pickers() {
    const [fields, instances, chosen] = ['formFieldRegistry', 'formFieldInstanceRegistry', 'fileRegistry'].map((name) => this.form.get(name));
    const data = this.form._getSubmitData();
    return instances.getAllKeyed()
      .filter(({ id }) => fields.get(id).type === 'filepicker' && !fields.get(id).disabled)
      .map(({ id, indexes, valuePath: path }) => {
        const value = at(data, path);
        return { path, value, place: [id, ...Object.values(indexes ?? {})], files: chosen.getFiles(value) };
      });
  }

  get hasUnsentFiles() {
    return Boolean(this.form) && this.#pickers().some(({ files }) => !files.every((one) => this.#stored.has(one)));
  }

  // Store the files that are not stored yet; return whether all are. What went wrong is said at its field.
  async store() {
    const pickers = this.#pickers();
    let left = FILES_MAX;
    for (const { place, files } of pickers) {
      left -= files.length;
      const large = files.find((one) => one.size > most());
      if (large) return this.#complain(place, tooLarge(large));
      if (left < 0) return this.#complain(place, `At most ${FILES_MAX} files can be sent with a form. Choose fewer.`);
    }
    for (const { place, files } of pickers) {
      for (const file of files.filter((one) => !this.#stored.has(one))) {
        say('status', `Sending ${file.name} …`);
        const problem = await this.#send(file);
        this.#keepUnread();
        if (problem) return this.#complain(place, problem);
      }
    }
    this.write();
    return true;
  }

  // Store one file; return what went wrong.
  async #send(file) {
    const address = `${this.dataset.uploads}?${new URLSearchParams({ name: file.name })}`;
    const headers = { 'content-type': file.type || 'application/octet-stream' };
    try {
      const answer = await fetch(address, { method: 'POST', body: file, headers, redirect: 'manual' });
      if (answer.status === 201) {
        this.#stored.set(file, await answer.json());
        return '';
      }
      if (answer.type === 'opaqueredirect') return `${file.name} was not sent: sign in again in another tab, then try again here.`;
      if (answer.status === 413) return tooLarge(file);
      const isText = answer.headers.get('content-type')?.startsWith('text/plain');
      return `${file.name} was not stored. ${isText ? await answer.text() : `The broker answered ${answer.status}.`}`;
    } catch {
      return `${file.name} was not sent: the broker did not answer, or the file cannot be read any more. Try again in a moment.`;
    }
  }

  #complain(place, text) {
    say('status', '');
    this.#mark([{ place, text }]);
    this.#showProblem();
    return false;
  }

  // Let a field say what is wrong with it now; nothing, if it says `last` and that is mended.
  #tell(place, text, last) {
    const [said] = at(this.form?._getState().errors, place) ?? [];
    if (text ? said !== text : said === last) this.#mark([{ place, text }]);
  }

  // Let fields say what is wrong with them.
  #mark(problems) {
    const errors = structuredClone(this.form?._getState().errors ?? {});
    for (const { place, text } of problems) {
      const last = place.slice(0, -1).reduce((value, part) => (value[part] ??= {}), errors);
      last[place.at(-1)] = text ? [text] : [];
    }
    this.form?._setState({ errors });
  }

  #showProblem() {
    requestAnimationFrame(() => {
      const field = this.querySelector('.fjs-has-errors');
      const first = field?.querySelector('input:not([type=hidden], [type=file]), textarea, select, button, [tabindex]') ?? field;
      first?.focus();
      first?._flatpickr?.close(); // it would cover what is said
      first?.scrollIntoView({ block: 'center' });
    });
  }

  // Write the values into the hidden input as they are.
  write() {
    const into = this.closest('form')?.elements[this.dataset.into];
    if (this.form && into) into.value = this.#values();
  }

  // Check the values; return whether they may be sent.
  check() {
    if (!this.form || 'readonly' in this.dataset) return true;
    const { errors } = this.form.submit();
    const problems = spellings.misspelt(this.form, this);
    this.#mark(problems);
    this.write();
    if (!problems.length && !Object.keys(errors).length) return true;
    this.#showProblem();
    return false;
  }
}

function tooLarge(file) {
  return `${file.name} is too large: it has ${mebibytes(file.size)}, and at most ${mebibytes(most())} can be sent at once. Choose another file.`;
}

customElements.define('osmia-form', OsmiaForm);

// The input of a form that cannot be sent stays where it is. One that is still being loaded, or read, cannot be checked yet: it is sent when it is there.
// So is one whose files are still to be stored; while they are, it is not sent a second time.
document.addEventListener('submit', (event) => {
  const { target, submitter } = event;
  const forms = [...(target.querySelectorAll?.('osmia-form') ?? [])];
  const loading = forms.map((one) => one.loading ?? spellings?.readLast(one)).filter(Boolean);
  const isStoring = forms.some((one) => one.storing);
  const isRight = !loading.length && !isStoring && forms.every((one) => one.check());
  const unsent = isRight ? forms.filter((one) => one.hasUnsentFiles) : [];
  if (isRight && !unsent.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const again = () => {
    if (target.isConnected) target.requestSubmit(submitter?.isConnected ? submitter : null);
  };
  if (loading.length) Promise.all(loading).then(again);
  if (!unsent.length) return;
  unsent.forEach((one) => {
    one.storing = one.store().finally(() => { one.storing = null; });
  });
  Promise.all(unsent.map((one) => one.storing)).then((done) => {
    if (done.every(Boolean)) again();
  });
}, true);
