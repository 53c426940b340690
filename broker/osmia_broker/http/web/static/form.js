// A form of form-js inside of an HTML form.
//
//   <osmia-form data-schema="#id of a JSON script" data-values="#id of a JSON script" data-into="name of a hidden input" [data-readonly]>
//   (no input of the form around it may be called "form": htmx would take it for the form itself)
//
// When the form around it is sent, it is checked: either the fields say what is wrong and nothing is sent, or the values are written into the
// hidden input as JSON. The viewer is loaded by the first such element.

import { say } from './said.js';

const BUNDLE = '../bundles/@bpmn-io/form-js/dist/';
let viewer = null;

function load() {
  viewer ??= new Promise((resolve, reject) => {
    const style = document.createElement('link');
    style.rel = 'stylesheet';
    style.href = new URL(`${BUNDLE}assets/form-js.css`, import.meta.url);
    const script = document.createElement('script');
    script.src = new URL(`${BUNDLE}form-viewer.umd.js`, import.meta.url);
    script.onload = () => resolve(window.FormViewer);
    script.onerror = () => reject(new Error('The form viewer could not be loaded.'));
    document.head.append(style, script);
  });
  return viewer;
}

class OsmiaForm extends HTMLElement {
  static observedAttributes = ['data-readonly'];

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
      const values = JSON.parse(document.querySelector(this.dataset.values).textContent);
      this.replaceChildren();
      // What is typed counts at once: the viewer would wait 0.3 s, and forgets it when it draws itself anew meanwhile.
      const form = new Form({ container: this, debounce: false });
      await form.importSchema(schema, values);
      if ('readonly' in this.dataset) form.setProperty('readOnly', true);
      this.form = form;
      this.begun = this.#text();
      form.on('changed', () => {
        if (this.#text() !== this.begun) this.dispatchEvent(new CustomEvent('osmia:typed', { bubbles: true }));
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
      this.form?.destroy();
      this.form = null;
    });
  }

  #text() {
    return JSON.stringify(this.form._getSubmitData());
  }

  // Write the values into the hidden input as they are.
  write() {
    const into = this.closest('form')?.elements[this.dataset.into];
    if (this.form && into) into.value = this.#text();
  }

  // Check the values; return whether they may be sent.
  check() {
    if (!this.form || 'readonly' in this.dataset) return true;
    const files = [...this.querySelectorAll('input[type=file]')].flatMap((one) => [...one.files]).map((one) => one.name);
    if (files.length) {
      say('alert', `The file ${files.join(', ')} cannot be sent with a form. Store it by POST /v2/documents, and choose no file here.`);
      return false;
    }
    const { errors } = this.form.submit();
    this.write();
    if (!Object.keys(errors).length) return true;
    requestAnimationFrame(() => {
      const field = this.querySelector('.fjs-has-errors');
      const first = field?.querySelector('input:not([type=hidden]), textarea, select, button, [tabindex]') ?? field;
      first?.focus();
      first?.scrollIntoView({ block: 'center' });
    });
    return false;
  }
}

customElements.define('osmia-form', OsmiaForm);

// The input of a form that cannot be sent stays where it is. One that is still being loaded cannot be checked yet: it is sent when it is there.
document.addEventListener('submit', (event) => {
  const { target, submitter } = event;
  const forms = [...(target.querySelectorAll?.('osmia-form') ?? [])];
  const loading = forms.map((one) => one.loading).filter(Boolean);
  if (!loading.length && forms.every((one) => one.check())) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (loading.length) {
    Promise.all(loading).then(() => {
      if (target.isConnected) target.requestSubmit(submitter?.isConnected ? submitter : null);
    });
  }
}, true);
