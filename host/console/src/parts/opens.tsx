// A button that shows and hides what stands below it.
import { Icon } from '@ui5/webcomponents-react/Icon';
import { useId, useState, type ReactNode } from 'react';
import { closed, opened } from './icons.ts';

interface Props {
  label: ReactNode;
  open?: boolean;
  children: ReactNode;
}

export function Opens({ label, open: first = false, children }: Props) {
  const [open, set] = useState(first);
  const id = useId();
  return (
    <div className="opens">
      <button type="button" className="opens-button" aria-expanded={open} aria-controls={id} onClick={() => set(!open)}>
        <Icon name={open ? opened : closed} mode="Decorative" />
        <span>{label}</span>
      </button>
      <div id={id} hidden={!open}>
        {open && children}
      </div>
    </div>
  );
}
