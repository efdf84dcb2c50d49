import type { ComponentChildren } from 'preact';

/** Something went wrong: what, and what can be done. Read out as soon as it appears. */
export function Notice({ children }: { readonly children: ComponentChildren }) {
  return (
    <div class="notice" role="alert">
      {children}
    </div>
  );
}
