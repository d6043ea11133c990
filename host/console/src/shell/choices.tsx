// Language and look, to be switched; what was chosen is kept in this browser.
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { useState } from 'react';
import { useWords } from '../words/words.ts';
import { choose as chooseLook, look, LOOKS } from '../look/look.ts';
import { choose as chooseLanguage, LANGUAGES } from '../words/words.ts';

const NAMES = { en: 'English', de: 'Deutsch' } as const;

export function LanguageChoice() {
  const { t, language: now } = useWords();
  return (
    <SegmentedButton accessibleName={t('shell.language')}>
      {LANGUAGES.map((one) => (
        <SegmentedButtonItem key={one} selected={one === now} onClick={() => void chooseLanguage(one)}>
          {NAMES[one]}
        </SegmentedButtonItem>
      ))}
    </SegmentedButton>
  );
}

export function LookChoice() {
  const { t } = useWords();
  const [now, set] = useState(look());
  return (
    <SegmentedButton accessibleName={t('shell.look')}>
      {LOOKS.map((one) => (
        <SegmentedButtonItem
          key={one}
          selected={one === now}
          onClick={() => {
            set(one);
            void chooseLook(one);
          }}
        >
          {t(`look.${one}`)}
        </SegmentedButtonItem>
      ))}
    </SegmentedButton>
  );
}
