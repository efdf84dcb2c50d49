export interface ChosenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A button that asks for a file and hands on what is in it. */
export function FileButton({
  label,
  accept,
  disabled,
  onFile,
}: {
  readonly label: string;
  readonly accept: string;
  readonly disabled?: boolean;
  readonly onFile: (file: ChosenFile) => void;
}) {
  return (
    <label class="file">
      <input
        type="file"
        accept={accept}
        disabled={disabled}
        onChange={async (event) => {
          const input = event.currentTarget;
          const file = input.files?.[0];
          if (!file) return;
          onFile({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
          // The same file may be chosen again.
          input.value = '';
        }}
      />
      <span>{label}</span>
    </label>
  );
}
