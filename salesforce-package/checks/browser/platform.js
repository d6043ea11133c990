/*
 * What the Lightning platform gives a component, over the page's own server: record data, Apex, toasts, navigation. The data are the
 * Salesforce simulator's.
 */

async function ask(path, body) {
    const response = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) {
        throw { body: answer };
    }
    return answer;
}

/** A wire adapter that loads whenever its configuration changes, once every parameter is there. */
function adapter(load, complete) {
    return class {
        constructor(emit) {
            this.emit = emit;
            emit({ data: undefined, error: undefined });
        }

        connect() {
            live.add(this);
        }

        disconnect() {
            live.delete(this);
        }

        update(config) {
            this.config = config;
            return this.refresh();
        }

        async refresh() {
            if (!this.config || !complete(this.config)) {
                return;
            }
            try {
                this.emit({ data: await load(this.config), error: undefined });
            } catch (error) {
                this.emit({ data: undefined, error });
            }
        }
    };
}

const live = new Set();
const refreshAll = () => Promise.all([...live].map((one) => one.refresh()));

const nameOf = (field) => (typeof field === 'string' ? field : `${field.objectApiName}.${field.fieldApiName}`);

export const getRecord = adapter(
    ({ recordId, fields = [], optionalFields = [] }) =>
        ask('/record', { recordId, fields: [...fields, ...optionalFields].map(nameOf) }),
    (config) => Boolean(config.recordId)
);

function find(record, field) {
    return nameOf(field)
        .split('.')
        .slice(1)
        .reduce(
            (found, name) => (found?.value === undefined ? found?.fields?.[name] : found.value?.fields?.[name]),
            record
        );
}

export const getFieldValue = (record, field) => find(record, field)?.value;
export const getFieldDisplayValue = (record, field) => find(record, field)?.displayValue;
export const notifyRecordUpdateAvailable = refreshAll;
export const refreshApex = refreshAll;

/** An Apex method: called, or wired. */
export function apex(method) {
    const load = (params) => ask(`/apex/${method}`, params ?? {});
    const Wired = adapter(load, (config) => Object.values(config).every((value) => value !== undefined));
    return new Proxy(Wired, { apply: (_, __, [params]) => load(params) });
}

const addressOf = ({ attributes }) => `/lightning/r/${attributes.recordId}/${attributes.actionName}`;

const Navigate = Symbol('Navigate');
const GenerateUrl = Symbol('GenerateUrl');
export const NavigationMixin = (Base) =>
    class extends Base {
        [Navigate](page) {
            location.assign(addressOf(page));
        }

        async [GenerateUrl](page) {
            return addressOf(page);
        }
    };
Object.assign(NavigationMixin, { Navigate, GenerateUrl });

export class ShowToastEvent extends CustomEvent {
    constructor(detail) {
        super('lightning__showtoast', { bubbles: true, composed: true, cancelable: true, detail });
    }
}
