import { createElement } from 'lwc';
import hosts from '@salesforce/apex/TandemSetup.hosts';
import outbox from '@salesforce/apex/TandemSetup.outbox';
import org from '@salesforce/apex/TandemSetup.org';
import TandemSetup from 'c/tandemSetup';

jest.mock('@salesforce/apex/TandemSetup.hosts', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemSetup.outbox', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemSetup.org', () => ({ default: jest.fn() }), { virtual: true });

const WELL = { integrationUsers: 1, people: 4, unknownFields: [], lacking: [], invoicesRead: true, events: [] };

const host = (changes) => ({
    Id: 'h1',
    Name: 'crm',
    Tandem_State__c: 'Ready',
    Tandem_Last_Seen__c: new Date().toISOString(),
    Tandem_Last_Event__c: null,
    Tandem_Waiting__c: 3,
    Tandem_Reviews__c: 1,
    Tandem_Version__c: '0.1.0',
    ...changes
});

const settled = async () => {
    for (let turn = 0; turn < 8; turn++) {
        // eslint-disable-next-line no-await-in-loop
        await Promise.resolve();
    }
};

async function show() {
    const element = createElement('c-tandem-setup', { is: TandemSetup });
    document.body.appendChild(element);
    await settled();
    return element;
}

const find = (element, id) => element.shadowRoot.querySelector(`[data-id="${id}"]`);
const all = (element, id) => [...element.shadowRoot.querySelectorAll(`[data-id="${id}"]`)];

describe('c-tandem-setup', () => {
    beforeEach(() => {
        hosts.mockResolvedValue([host()]);
        outbox.mockResolvedValue([]);
        org.mockResolvedValue(WELL);
    });

    afterEach(() => {
        document.body.replaceChildren();
        jest.clearAllMocks();
    });

    it('says that all is well', async () => {
        const element = await show();
        expect(find(element, 'host-state').textContent).toContain('Well.');
        expect(find(element, 'well')).not.toBeNull();
        expect(find(element, 'outbox-empty')).not.toBeNull();
    });

    it.each([
        [{ Tandem_State__c: 'Not ready', Tandem_Message__c: 'flow orders waits' }, 'Not well.'],
        [{ Tandem_State__c: 'Stopped' }, 'Stopped on purpose'],
        [{ Tandem_Last_Seen__c: '2026-01-01T00:00:00.000Z' }, 'Silent since Jan 1, 2026']
    ])('says how a host is: %j', async (changes, words) => {
        hosts.mockResolvedValue([host(changes)]);
        const element = await show();
        expect(find(element, 'host-state').textContent).toContain(words);
        expect(find(element, 'host-message')?.textContent).toBe(changes.Tandem_Message__c);
    });

    it.each([
        [{}, ['Both sides compared whole: Not yet']],
        [
            { Tandem_In_Step__c: 5, Tandem_Differences__c: 0, Tandem_Unexplained__c: 0 },
            ['Both sides compared whole: Not yet', 'In step: 5', 'Differences, explained: 0', 'Not explained: 0']
        ],
        [
            {
                Tandem_Compared__c: '2026-01-02T12:00:00.000Z',
                Tandem_In_Step__c: 1240,
                Tandem_Differences__c: 4,
                Tandem_Unexplained__c: 2
            },
            [
                expect.stringMatching(/^Both sides compared whole: Jan 2, 2026, /),
                'In step: 1,240',
                'Differences, explained: 4',
                '(utility:warning) Not explained: 2: see the report of tandem reconcile'
            ]
        ]
    ])('says how the last comparison went, and warns of what nothing explains: %j', async (changes, words) => {
        hosts.mockResolvedValue([host(changes)]);
        const names = [...find(await show(), 'host').querySelectorAll('dt')];
        const facts = names.map((name) => {
            const icon = name.nextElementSibling.querySelector('lightning-icon');
            const mark = icon ? `(${icon.iconName}) ` : '';
            return `${mark}${name.textContent}: ${name.nextElementSibling.textContent}`;
        });
        expect(facts.slice(3, -1)).toEqual(words);
    });

    it('says what is missing', async () => {
        hosts.mockResolvedValue([]);
        org.mockResolvedValue({
            integrationUsers: 0,
            people: 0,
            unknownFields: ['Account.Typo__c'],
            events: []
        });
        const element = await show();
        expect(find(element, 'no-host').textContent).toContain('tandem run');
        const words = all(element, 'missing').map((one) => one.textContent);
        expect(words).toHaveLength(3);
        expect(words[2]).toContain('Account.Typo__c');
        org.mockResolvedValue(WELL);
        find(element, 'reload').click();
        await settled();
        expect(find(element, 'well')).not.toBeNull();
    });

    it("shows how much of the org's events is used", async () => {
        org.mockResolvedValue({
            ...WELL,
            events: [
                { name: 'HourlyPublishedPlatformEvents', used: 12, allowed: 250000 },
                { name: 'DailyDeliveredPlatformEvents', used: 24000, allowed: 25000 }
            ]
        });
        const words = all(await show(), 'events').map((one) => one.textContent);
        expect(words[0]).toContain('12 of 250,000');
        expect(words[1]).toContain('24,000 of 25,000');
    });

    it('names what an integration user lacks, and that it has no API access', async () => {
        const what = ['Account (Create, Edit)', 'Account.Phone'];
        org.mockResolvedValue({
            ...WELL,
            lacking: [
                { user: 'host@example.org', what, api: true },
                { user: 'old@example.org', what: [], api: false }
            ]
        });
        const words = all(await show(), 'missing').map((one) => one.textContent);
        expect(words).toHaveLength(2);
        expect(words[0]).toContain('host@example.org');
        expect(words[0]).toContain('Account (Create, Edit), Account.Phone');
        expect(words[0]).toContain('package.sh access');
        expect(words[1]).toContain('old@example.org');
        expect(words[1]).toContain('API');
    });

    it('names records of others that an integration user may not change, and the set for it', async () => {
        const lack = { user: 'host@example.org', what: [], owned: ['Case', 'Opportunity'], api: true };
        org.mockResolvedValue({ ...WELL, lacking: [lack] });
        const words = all(await show(), 'missing').map((one) => one.textContent);
        expect(words).toHaveLength(1);
        expect(words[0]).toContain('host@example.org may not change what others own: Case, Opportunity');
        expect(words[0]).toContain('“Tandem Integration: private sharing”, unless a sharing rule or a role gives it');
    });

    it('says that people see no invoices before what is beside the package is assigned', async () => {
        org.mockResolvedValue({ ...WELL, invoicesRead: false });
        const words = all(await show(), 'missing').map((one) => one.textContent);
        expect(words).toHaveLength(1);
        expect(words[0]).toContain('Tandem User: records below accounts');
    });

    it.each([
        [hosts, 'hosts-problem', ['well', 'outbox-empty']],
        [org, 'org-problem', ['host', 'outbox-empty']],
        [outbox, 'outbox-problem', ['host', 'well']]
    ])('shows the other parts where one is refused', async (refused, place, others) => {
        refused.mockRejectedValue({ body: { message: 'no access to it' } });
        const element = await show();
        expect(find(element, place).textContent).toContain('no access to it');
        for (const other of others) {
            expect(find(element, other)).not.toBeNull();
        }
        expect(all(element, 'well').length + all(element, 'no-host').length + all(element, 'outbox-empty').length).toBe(
            others.filter((other) => other !== 'host').length
        );
        refused.mockResolvedValue(refused === org ? WELL : []);
        find(element, 'reload').click();
        await settled();
        expect(find(element, place)).toBeNull();
    });

    it('lists what waits in the outbox', async () => {
        outbox.mockResolvedValue([
            {
                Id: 'o1',
                Tandem_Object__c: 'Account',
                Tandem_Record_Id__c: '001000000000001AAA',
                Tandem_Error__c: 'limit exceeded'
            }
        ]);
        const element = await show();
        expect(find(element, 'outbox-row').textContent).toContain('limit exceeded');
    });

    it('says what kept it, and loads again', async () => {
        hosts.mockRejectedValueOnce({ body: { message: 'no access' } });
        const element = await show();
        expect(find(element, 'hosts-problem').textContent).toContain('no access');
        find(element, 'reload').click();
        await settled();
        expect(find(element, 'host')).not.toBeNull();
    });
});
