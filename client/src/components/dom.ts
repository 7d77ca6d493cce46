// Small things for building and changing elements without any markup text.

type Listener = (event: never) => void;

/** A function is a listener, all else an attribute. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | Listener>> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'string') element.setAttribute(name, value);
    else element.addEventListener(name, value as EventListener);
  }
  element.append(...children);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function icon(path: string): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS(SVG, 'path'));
  svg.firstElementChild?.setAttribute('d', path);
  return svg;
}

/** A round button with an icon. */
export function iconButton(part: string, path: string, click: Listener): HTMLButtonElement {
  return h('button', { type: 'button', class: 'icon', part: `button ${part}`, click }, icon(path));
}

/** Its name, for eyes and ears. */
export function name(button: HTMLElement, text: string): void {
  attribute(button, 'aria-label', text);
  attribute(button, 'title', text);
}

/** Writes only what changes: a write costs a style calculation, and a live region would speak. */
export function attribute(element: Element, key: string, value: string | boolean): void {
  if (value === false) element.removeAttribute(key);
  else {
    const wanted = value === true ? '' : value;
    if (element.getAttribute(key) !== wanted) element.setAttribute(key, wanted);
  }
}

export function text(element: Element, value: string): void {
  if (element.textContent !== value) element.textContent = value;
}

const sheets = new Map<string, CSSStyleSheet>();

/** Constructed sheets need no `unsafe-inline`, and all elements of a page share one. */
export function adopt(root: ShadowRoot, ...styles: string[]): void {
  root.adoptedStyleSheets = styles.map((style) => {
    let sheet = sheets.get(style);
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(style);
      sheets.set(style, sheet);
    }
    return sheet;
  });
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
