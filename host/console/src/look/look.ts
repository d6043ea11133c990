// Light or dark: as the system says, or as somebody chose in this browser.
import { registerThemePropertiesLoader } from '@ui5/webcomponents-base/dist/asset-registries/Themes.js';
import { setDefaultFontLoading } from '@ui5/webcomponents-base/dist/config/Fonts.js';
import { setTheme } from '@ui5/webcomponents-base/dist/config/Theme.js';

export type Look = 'system' | 'light' | 'dark';
export const LOOKS: readonly Look[] = ['system', 'light', 'dark'];

const KEPT = 'tandem.look';
const system = matchMedia('(prefers-color-scheme: dark)');
/** Whose values they are, and whether they belong to the page or to each component. */
const PACKAGES = [
  ['@ui5/webcomponents-theming', 'theming', 'root'],
  ['@ui5/webcomponents', 'components', 'host'],
  ['@ui5/webcomponents-fiori', 'fiori', 'host'],
] as const;

export function look(): Look {
  const kept = localStorage.getItem(KEPT);
  return LOOKS.find((one) => one === kept) ?? 'system';
}

export async function choose(look: Look): Promise<void> {
  localStorage.setItem(KEPT, look);
  await show();
}

let showing = Promise.resolve();

/** One after the other: a theme whose files came late would stand beside the next one. */
function show(): Promise<void> {
  showing = showing.then(apply, apply);
  return showing;
}

async function apply(): Promise<void> {
  const chosen = look();
  const dark = chosen === 'dark' || (chosen === 'system' && system.matches);
  document.documentElement.dataset.look = dark ? 'dark' : 'light';
  await setTheme(dark ? 'sap_horizon_dark' : 'sap_horizon');
}

/** Before anything is drawn. Fonts are our own (`fonts.css`): the components' would come from outside. */
export async function start(): Promise<void> {
  setDefaultFontLoading(false);
  for (const [name, part, place] of PACKAGES) {
    registerThemePropertiesLoader(
      name,
      'sap_horizon_dark',
      async () => (await import('./dark.ts')).default[part],
      place,
    );
  }
  system.addEventListener('change', () => void show());
  await show();
}
