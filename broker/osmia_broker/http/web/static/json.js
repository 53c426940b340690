// Reads JSON that a person types, and says what is wrong with it and where, in the words of the broker (`json_texts.py`).

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const DEPTH_MAX = 500;
const NAME_MAX = 40; // characters of a name in a sentence
const KINDS = { '[': 'a list', '"': 'a text', t: 'true', f: 'false', n: 'null' };

class Wrong extends Error {
  constructor(reason, at) {
    super(reason);
    this.at = at;
  }
}

// Return the fault of *text*, `{ reason, line, column }`, or null if it is JSON. With *kind* `object`, another value is a fault too.
export function jsonFault(text, kind = '') {
  try {
    const reader = new Reader(text);
    reader.blanks();
    if (reader.ends()) throw new Wrong('expected a value, but found nothing', 0);
    const first = text[reader.at];
    reader.value(0);
    reader.blanks();
    if (!reader.ends()) throw new Wrong(`expected the end, but found ${reader.found()}`, reader.at);
    if (kind === 'object' && first !== '{') throw new Wrong(`expected an object such as {"amount": 12}, but found ${KINDS[first] ?? 'a number'}`, 0);
    return null;
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    const before = text.slice(0, error.at).split('\n');
    return { reason: error.message, line: before.length, column: before.at(-1).length + 1 };
  }
}

// The same as a sentence; empty if there is no fault.
export function jsonProblem(text, kind = '') {
  const fault = jsonFault(text, kind);
  return fault ? `Not valid JSON: ${fault.reason} (line ${fault.line}, column ${fault.column}).` : '';
}

const shortened = (name) => (name.length > NAME_MAX ? `${name.slice(0, NAME_MAX)}…` : name);

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  ends() { return this.at >= this.text.length; }

  found() {
    const one = this.text[this.at];
    if (one === undefined) return 'the end';
    return one.trim() ? `'${one}'` : 'a blank';
  }

  blanks() { while (' \t\n\r'.includes(this.text[this.at] ?? 'x')) this.at += 1; }

  takes(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match) this.at += match[0].length;
    return Boolean(match);
  }

  value(depth) {
    if (depth > DEPTH_MAX) throw new Wrong(`it is nested deeper than ${DEPTH_MAX} levels`, 0);
    const one = this.text[this.at];
    if (one === '{') this.members(depth);
    else if (one === '[') this.items(depth);
    else if (one === '"') this.string();
    else if (!this.takes(NUMBER) && !this.takes(/(?:true|false|null)\b/y)) {
      throw new Wrong(`expected a value, but found ${this.found()}`, this.at);
    }
  }

  string() {
    if (!this.takes(TEXT)) throw new Wrong('a text does not end, or has a character that must be escaped', this.at);
  }

  members(depth) {
    const names = new Set();
    this.list('}', () => {
      const begin = this.at;
      if (this.text[this.at] !== '"') throw new Wrong(`expected a name in double quotes, but found ${this.found()}`, this.at);
      this.string();
      const name = this.text.slice(begin, this.at);
      if (names.size === names.add(JSON.parse(name)).size) throw new Wrong(`the name ${shortened(name)} stands twice in one object`, begin);
      this.blanks();
      if (this.text[this.at] !== ':') throw new Wrong(`expected a colon behind the name, but found ${this.found()}`, this.at);
      this.at += 1;
      this.blanks();
      this.value(depth + 1);
    });
  }

  items(depth) { this.list(']', () => this.value(depth + 1)); }

  list(end, item) {
    this.at += 1;
    this.blanks();
    if (this.text[this.at] === end) { this.at += 1; return; }
    for (;;) {
      item();
      this.blanks();
      if (this.text[this.at] === end) { this.at += 1; return; }
      if (this.text[this.at] !== ',') throw new Wrong(`expected a comma or the end, but found ${this.found()}`, this.at);
      this.at += 1;
      this.blanks();
    }
  }
}
