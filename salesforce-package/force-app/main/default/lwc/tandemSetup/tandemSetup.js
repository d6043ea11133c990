import { LightningElement } from 'lwc';
import hosts from '@salesforce/apex/TandemSetup.hosts';
import outbox from '@salesforce/apex/TandemSetup.outbox';
import org from '@salesforce/apex/TandemSetup.org';
import LABEL_ERROR from '@salesforce/label/c.Tandem_Error';
import LABEL_LOADING from '@salesforce/label/c.Tandem_Loading';
import LABEL_RELOAD from '@salesforce/label/c.Tandem_Reload';
import LABEL_TITLE from '@salesforce/label/c.Tandem_Setup_Title';
import LABEL_HOSTS from '@salesforce/label/c.Tandem_Setup_Hosts';
import LABEL_NO_HOST from '@salesforce/label/c.Tandem_Setup_No_Host';
import LABEL_READY from '@salesforce/label/c.Tandem_Setup_Ready';
import LABEL_NOT_READY from '@salesforce/label/c.Tandem_Setup_Not_Ready';
import LABEL_STOPPED from '@salesforce/label/c.Tandem_Setup_Stopped';
import LABEL_SILENT from '@salesforce/label/c.Tandem_Setup_Silent';
import LABEL_LAST_EVENT from '@salesforce/label/c.Tandem_Setup_Last_Event';
import LABEL_WAITING from '@salesforce/label/c.Tandem_Setup_Waiting';
import LABEL_REVIEWS from '@salesforce/label/c.Tandem_Setup_Reviews';
import LABEL_COMPARED from '@salesforce/label/c.Tandem_Setup_Compared';
import LABEL_NOT_COMPARED from '@salesforce/label/c.Tandem_Setup_Not_Compared';
import LABEL_IN_STEP from '@salesforce/label/c.Tandem_Setup_In_Step';
import LABEL_DIFFERENCES from '@salesforce/label/c.Tandem_Setup_Differences';
import LABEL_UNEXPLAINED from '@salesforce/label/c.Tandem_Setup_Unexplained';
import LABEL_SEE_REPORT from '@salesforce/label/c.Tandem_Setup_See_Report';
import LABEL_VERSION from '@salesforce/label/c.Tandem_Setup_Version';
import LABEL_CHECKS from '@salesforce/label/c.Tandem_Setup_Checks';
import LABEL_WELL from '@salesforce/label/c.Tandem_Setup_Well';
import LABEL_NO_INTEGRATION from '@salesforce/label/c.Tandem_Setup_No_Integration';
import LABEL_LACKS from '@salesforce/label/c.Tandem_Setup_Lacks';
import LABEL_SHARING from '@salesforce/label/c.Tandem_Setup_Sharing';
import LABEL_NO_API from '@salesforce/label/c.Tandem_Setup_No_Api';
import LABEL_NO_PEOPLE from '@salesforce/label/c.Tandem_Setup_No_People';
import LABEL_NO_INVOICES from '@salesforce/label/c.Tandem_Setup_No_Invoices';
import LABEL_UNKNOWN_FIELD from '@salesforce/label/c.Tandem_Setup_Unknown_Field';
import LABEL_OUTBOX from '@salesforce/label/c.Tandem_Setup_Outbox';
import LABEL_OUTBOX_EMPTY from '@salesforce/label/c.Tandem_Setup_Outbox_Empty';
import LABEL_RECORD from '@salesforce/label/c.Tandem_Setup_Record';
import LABEL_PROBLEM from '@salesforce/label/c.Tandem_Setup_Problem';
import LABEL_PUBLISHED from '@salesforce/label/c.Tandem_Setup_Published';
import LABEL_DELIVERED from '@salesforce/label/c.Tandem_Setup_Delivered';
import LABEL_NONE from '@salesforce/label/c.Tandem_None';
import { errorText, moment, own, quantity, text } from 'c/tandemText';

/** A host reports every five minutes; silent for three of them, something is wrong. In milliseconds. */
const SILENCE = 15 * 60 * 1000;

/** What an org counts of its events, by the name of the limit. */
const EVENTS = {
    HourlyPublishedPlatformEvents: LABEL_PUBLISHED,
    DailyDeliveredPlatformEvents: LABEL_DELIVERED
};

/** Is the host well, what is missing in this org, and what waits in the outbox? */
export default class TandemSetup extends LightningElement {
    label = {
        title: LABEL_TITLE,
        loading: LABEL_LOADING,
        reload: LABEL_RELOAD,
        hosts: LABEL_HOSTS,
        noHost: LABEL_NO_HOST,
        checks: LABEL_CHECKS,
        well: LABEL_WELL,
        outbox: LABEL_OUTBOX,
        outboxEmpty: LABEL_OUTBOX_EMPTY,
        record: LABEL_RECORD,
        problem: LABEL_PROBLEM
    };

    loading = true;
    /** What could not be read, by part; the other parts are shown all the same. */
    problems = {};
    foundHosts = [];
    foundOutbox = [];
    foundOrg;

    connectedCallback() {
        this.load();
    }

    async load() {
        this.loading = true;
        this.problems = {};
        await Promise.all([
            this.read('hosts', hosts, (found) => (this.foundHosts = own(found))),
            this.read('org', org, (found) => (this.foundOrg = found)),
            this.read('outbox', outbox, (found) => (this.foundOutbox = own(found)))
        ]);
        this.loading = false;
    }

    /** Each part asks for rights of its own: one that is refused hides no other. */
    async read(part, ask, take) {
        try {
            take(await ask());
        } catch (error) {
            this.problems = { ...this.problems, [part]: text(LABEL_ERROR, errorText(error)) };
        }
    }

    get noHost() {
        return this.foundHosts.length === 0;
    }

    get hosts() {
        return this.foundHosts.map((row) => ({
            id: row.Id,
            name: row.Name,
            message: row.Tandem_Message__c,
            facts: [
                [LABEL_LAST_EVENT, moment(row.Tandem_Last_Event__c) || LABEL_NONE],
                [LABEL_WAITING, quantity(row.Tandem_Waiting__c)],
                [LABEL_REVIEWS, quantity(row.Tandem_Reviews__c)],
                ...comparison(row),
                [LABEL_VERSION, row.Tandem_Version__c]
            ].map(([name, value, warns]) => ({ name, key: `${name} value`, value, warns })),
            ...state(row)
        }));
    }

    get missing() {
        const found = [];
        if (this.foundOrg.integrationUsers === 0) {
            found.push({ text: LABEL_NO_INTEGRATION });
        }
        for (const { user, what, owned = [], api } of this.foundOrg.lacking ?? []) {
            if (!api) {
                found.push({ text: text(LABEL_NO_API, user) });
            }
            if (what.length > 0) {
                found.push({ text: text(LABEL_LACKS, user, what.join(', ')) });
            }
            if (owned.length > 0) {
                found.push({ text: text(LABEL_SHARING, user, owned.join(', ')) });
            }
        }
        if (this.foundOrg.people === 0) {
            found.push({ text: LABEL_NO_PEOPLE });
        } else if (this.foundOrg.invoicesRead === false) {
            found.push({ text: LABEL_NO_INVOICES });
        }
        return found.concat(this.foundOrg.unknownFields.map((name) => ({ text: text(LABEL_UNKNOWN_FIELD, name) })));
    }

    get nothingMissing() {
        return this.missing.length === 0;
    }

    get events() {
        return (this.foundOrg.events ?? []).map(({ name, used, allowed }) => ({
            name,
            words: text(EVENTS[name] ?? name, quantity(used), quantity(allowed))
        }));
    }

    get outboxEmpty() {
        return this.foundOutbox.length === 0;
    }

    get outbox() {
        return this.foundOutbox.map((row) => ({
            id: row.Id,
            recordId: row.Tandem_Record_Id__c,
            name: `${row.Tandem_Object__c} ${row.Tandem_Record_Id__c}`,
            problem: row.Tandem_Error__c
        }));
    }
}

/** How the last comparison of both sides went; of a host that never made one there are no counts. */
function comparison(host) {
    const compared = [LABEL_COMPARED, moment(host.Tandem_Compared__c) || LABEL_NOT_COMPARED];
    const unexplained = host.Tandem_Unexplained__c;
    if (typeof unexplained !== 'number') {
        return [compared];
    }
    const open = quantity(unexplained);
    const warns = unexplained > 0;
    return [
        compared,
        [LABEL_IN_STEP, quantity(host.Tandem_In_Step__c)],
        [LABEL_DIFFERENCES, quantity(host.Tandem_Differences__c)],
        [LABEL_UNEXPLAINED, warns ? text(LABEL_SEE_REPORT, open) : open, warns]
    ];
}

function state(host) {
    const seen = moment(host.Tandem_Last_Seen__c);
    const silent = Date.now() - Date.parse(host.Tandem_Last_Seen__c) > SILENCE;
    if (host.Tandem_State__c === 'Stopped') {
        return { state: text(LABEL_STOPPED, seen), icon: 'utility:pause', variant: '' };
    }
    if (silent) {
        return { state: text(LABEL_SILENT, seen), icon: 'utility:error', variant: 'error' };
    }
    if (host.Tandem_State__c === 'Ready') {
        return { state: text(LABEL_READY, seen), icon: 'utility:success', variant: 'success' };
    }
    return { state: text(LABEL_NOT_READY, seen), icon: 'utility:warning', variant: 'warning' };
}
