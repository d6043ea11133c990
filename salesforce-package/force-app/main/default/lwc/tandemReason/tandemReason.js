/** A question's reason in the reader's language: keys and parameters, as a flow's plugin says them, put into labels. */
import { day, money, quantity } from 'c/tandemText';
import { PHRASES } from './phrases';

/** Between reasons that are told together, as in English. */
const AND = '; ';

/**
 * The reason of a `Tandem_Review__c`. `own` are the labels of the company's own plugins by key. Where a key has no label, or a
 * label's place no parameter, the whole reason stays as the plugin says it in English.
 */
export function reason(review, own = {}) {
    try {
        const parts = JSON.parse(review.Tandem_Said__c);
        return said(parts, { ...own, ...PHRASES });
    } catch {
        return review.Tandem_Reason__c;
    }
}

/**
 * What a record shows. `kept` is its `Tandem_Sync_Said__c`, which counts where it says the same as the record's English: somebody
 * may have written that alone.
 */
export function message(english, kept) {
    try {
        const own = JSON.parse(kept);
        return english && own.text.startsWith(english) ? said(own.said, PHRASES) : english;
    } catch {
        return english;
    }
}

/** Keys for which the package has no label. */
export function keysWithoutLabel(reviews) {
    const keys = new Set();
    const look = (value) => {
        if (typeof value?.key === 'string' && !Object.hasOwn(PHRASES, value.key)) {
            keys.add(value.key);
        }
        if (value && typeof value === 'object') {
            Object.values(value).forEach(look);
        }
    };
    reviews.forEach((review) => {
        try {
            look(JSON.parse(review.Tandem_Said__c));
        } catch {
            // Said in English only.
        }
    });
    return [...keys];
}

function said(parts, phrases) {
    return parts.map((part) => (part.key ? phrase(part, phrases) : part.text)).join(AND);
}

function phrase({ key, with: values = {} }, phrases) {
    return one(phrases, key).replace(/\{(\w+)\}/g, (_, name) => told(one(values, name), phrases));
}

function told(value, phrases) {
    if (typeof value === 'string') {
        return value;
    }
    if (Array.isArray(value)) {
        return value.map((each) => told(each, phrases)).join(', ');
    }
    if (value.said) {
        return said(value.said, phrases);
    }
    if (value.amount) {
        return value.currency ? money(value.amount, value.currency) : quantity(value.amount);
    }
    return value.day ? day(value.day) : quantity(value.number);
}

function one(record, name) {
    if (!Object.hasOwn(record, name)) {
        throw new Error(`without ${name}`);
    }
    return record[name];
}
