/** A server that renders pages may import this file; it has no elements. */
export const Base: typeof HTMLElement =
  globalThis.HTMLElement ?? (class {} as unknown as typeof HTMLElement);
