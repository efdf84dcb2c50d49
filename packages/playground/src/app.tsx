import { Measure } from './measure/measure.tsx';
import { Train } from './train/train.tsx';
import { Walk } from './walk/walk.tsx';

const sections = [
  { id: 'walk', title: 'Walk through it', view: Walk },
  { id: 'measure', title: 'Measure it', view: Measure },
  { id: 'train', title: 'Train it', view: Train },
] as const;

export function App() {
  return (
    <>
      <a class="skip" href="#walk">
        Skip to the content
      </a>
      <header class="top">
        <h1>Linear attention, step by step</h1>
        <p>
          How it works, what it saves on your device, and a language model that learns with it in this tab. Nothing is
          sent anywhere: everything is computed on this device.
        </p>
        <nav aria-label="Sections">
          <ol>
            {sections.map(({ id, title }) => (
              <li key={id}>
                <a href={`#${id}`}>{title}</a>
              </li>
            ))}
          </ol>
        </nav>
      </header>
      <main>
        {sections.map(({ id, view: View }) => (
          <View key={id} />
        ))}
      </main>
      <footer>
        <p>
          Made with linattn, linear attention for TypeScript. “Towards Making Linear Attention Usable” derives the
          gradient that is shown here; the library corrects its equations where they err.
        </p>
      </footer>
    </>
  );
}
