import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

interface ScrollProps {
  readonly label: string;
  readonly children: ComponentChildren;
  readonly class?: string;
  /** Stays at its end as that moves on, unless the reader has scrolled away from it. */
  readonly follow?: boolean;
}

/** A part that scrolls where the page has too little room for it. */
export function Scroll({ label, children, class: name = '', follow }: ScrollProps) {
  const element = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    const part = element.current!;
    if (follow && atEnd.current) part.scrollTop = part.scrollHeight;
  });
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset groups controls, this groups a figure
    <div
      class={`scroll ${name}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of the keyboard (WCAG 2.1.1)
      tabIndex={0}
      role="group"
      aria-label={label}
      ref={element}
      onScroll={({ currentTarget: part }) => {
        atEnd.current = part.scrollTop + part.clientHeight > part.scrollHeight - 40;
      }}
    >
      {children}
    </div>
  );
}
