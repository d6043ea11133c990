// A short word at the foot of the page that something was done; it goes by itself.
import { Toast } from '@ui5/webcomponents-react/Toast';
import { useSyncExternalStore } from 'react';

let said: { text: string; at: number } | undefined;
const listeners = new Set<() => void>();

function tell(): void {
  listeners.forEach((listener) => listener());
}
export function say(text: string): void {
  said = { text, at: Date.now() };
  tell();
}

export function Said() {
  const now = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => said,
  );
  const close = () => {
    said = undefined;
    tell();
  };
  return (
    <Toast key={now?.at ?? 0} open={now !== undefined} duration={4000} placement="BottomCenter" onClose={close}>
      {now?.text}
    </Toast>
  );
}
