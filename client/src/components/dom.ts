// Small things for building and changing elements without any markup text.

type Listener = (event: never) => void;
type Attributes = Readonly<Record<string, string | Listener>>;
type Tag<Selector> = Selector extends `${infer Name}.${string}` ? Name : Selector;
type Made<Selector> = Tag<Selector> extends keyof HTMLElementTagNameMap
  ? HTMLElementTagNameMap[Tag<Selector>]
  : HTMLElement;

/** `tag.name.name`: the names are classes for this package's styles and parts for the page's. */
export function h<Selector extends string>(
  selector: Selector,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): Made<Selector> {
  const [tag = '', ...names] = selector.split('.');
  const element = document.createElement(tag);
  if (names.length > 0) attribute(element, 'part', (element.className = names.join(' ')));
  // Inside a form a button would send it.
  if (tag === 'button') attribute(element, 'type', tag);
  set(element, attributes);
  element.append(...children);
  return element as Made<Selector>;
}

/** Attributes; a function listens to the event of that name. */
export function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'string') attribute(element, name, value);
    else element.addEventListener(name, value as EventListener);
  }
}

/** A path in a square of 24. */
export function icon(path: string): SVGElement {
  const make = (tag: string, attributes: Attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag) as SVGElement;
    set(element, attributes);
    return element;
  };
  const svg = make('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' });
  svg.append(make('path', { d: path }));
  return svg;
}

/** A button with nothing but an icon. */
export function iconButton(name: string, path: string, click: Listener): HTMLButtonElement {
  return h(`button.icon.${name}`, { click }, icon(path)) as HTMLButtonElement;
}

/** The name of what shows no text, for eyes and ears. */
export function label(element: Element, words: string): void {
  attribute(element, 'aria-label', words);
  attribute(element, 'title', words);
}

/** Writes only what changes: a write costs a style calculation, and a live region would speak. */
export function attribute(element: Element, key: string, value: string | boolean): void {
  if (element.getAttribute(key) !== `${value}`) element.setAttribute(key, `${value}`);
}

export function text(element: Node, words: string): void {
  if (element.textContent !== words) element.textContent = words;
}

/** As `detail` an event says what it is about. */
export function fire(from: Element, name: string, detail: object, wide = false): boolean {
  // Who listens outside of all shadows may say no.
  const options = { detail, bubbles: true, composed: wide, cancelable: wide };
  return from.dispatchEvent(new CustomEvent(`campanile-${name}`, options));
}

const sheets = new Map<string, CSSStyleSheet>();

/** Constructed sheets need no `unsafe-inline`, and all elements of a page share them. */
export function adopt(root: ShadowRoot, ...styles: string[]): void {
  for (const style of styles) {
    let sheet = sheets.get(style);
    if (!sheet) {
      sheets.set(style, (sheet = new CSSStyleSheet()));
      sheet.replaceSync(style);
    }
    root.adoptedStyleSheets.push(sheet);
  }
}

/** Gives `host` a shadow with these looks. */
export function shade(host: HTMLElement, box: Element, ...styles: string[]): void {
  const root = host.attachShadow({ mode: 'open' });
  adopt(root, ...styles);
  root.append(box);
}

/** Calls `leave` for a press anywhere outside of `elements`; returns how to stop that. */
export function outside(elements: readonly Element[], leave: () => void): () => void {
  const press = (event: Event) => {
    const path = event.composedPath();
    if (!elements.some((element) => path.includes(element))) leave();
  };
  document.addEventListener('pointerdown', press, true);
  return () => document.removeEventListener('pointerdown', press, true);
}
