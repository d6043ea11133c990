// The mapping as the file says it.
import { StreamLanguage } from '@codemirror/language';
import { toml } from '@codemirror/legacy-modes/mode/toml';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { Card } from '../../parts/page.tsx';
import { useWords } from '../../words/words.ts';
import { Code } from './code.tsx';
import type { Editing } from './editing.ts';

const TOML = StreamLanguage.define(toml);

export function Text({ editing, line }: { editing: Editing; line: number | undefined }) {
  const { t } = useWords();
  const { problem } = editing.doc;
  return (
    <Card title={t('mapping.text')} says={t('text.says')}>
      <div className="stack">
        {problem && (
          <div role="alert">
            <MessageStrip design="Negative" hideCloseButton>
              {problem.error}
            </MessageStrip>
          </div>
        )}
        <Code
          key={line ?? 0}
          file
          line={line}
          value={editing.text}
          label={t('mapping.text')}
          more={TOML}
          locked={!editing.may}
          onChange={(text) => editing.write(text, 'text')}
        />
      </div>
    </Card>
  );
}
