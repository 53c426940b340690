// Loads the bundles of others when a page needs them for the first time.

const base = new URL('../bundles/', import.meta.url);
const loaded = new Map();

export function loadScript(name) {
  if (!loaded.has(name)) {
    loaded.set(name, new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = new URL(name, base).href;
      script.onload = resolve;
      script.onerror = () => { loaded.delete(name); reject(new Error(`the file ${name} could not be loaded`)); };
      document.head.append(script);
    }));
  }
  return loaded.get(name);
}

export function loadStyle(name) {
  if (loaded.has(name)) return;
  loaded.set(name, true);
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL(name, base).href;
  document.head.append(link);
}
