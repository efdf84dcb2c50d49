import { useEffect, useRef, useState } from 'preact/hooks';

interface ChartProps {
  /** Gives what draws the chart in a width, when the width or `data` changes. A promise: the plotting library is loaded when first used. */
  readonly load: () => Promise<(width: number) => Element>;
  /** What is drawn. */
  readonly data: readonly unknown[];
  /** The chart in words. */
  readonly label: string;
}

/** Shortest time between two drawings: a chart that grows must not keep the page busy. */
const pauseMs = 200;

/** A chart that follows its data and its width. */
export function Chart({ load, data, label }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const drawn = useRef(0);
  const [width, setWidth] = useState(0);

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (width === 0) return undefined;
    const wait = Math.max(0, drawn.current + pauseMs - performance.now());
    let stale = false;
    const timer = setTimeout(async () => {
      const draw = await load();
      // A task of its own: the library's start and a chart beside this one would make one long task with it.
      await new Promise((resolve) => setTimeout(resolve));
      if (stale) return;
      const chart = draw(width);
      // The label says it all: the marks themselves say nothing to those who do not see them.
      chart.setAttribute('aria-hidden', 'true');
      frame.current?.replaceChildren(chart);
      drawn.current = performance.now();
    }, wait);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [width, ...data]);

  return <div class="chart" role="img" aria-label={label} ref={frame} />;
}
