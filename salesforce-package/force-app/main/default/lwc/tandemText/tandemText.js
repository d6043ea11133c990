/** Texts, amounts and days as the components show them. */
import LOCALE from '@salesforce/i18n/locale';
import TIME_ZONE from '@salesforce/i18n/timeZone';
import ORG_CURRENCY from '@salesforce/i18n/currency';

/** `{0}` in a label becomes the first value, and so on. */
export function text(label, ...values) {
    return values.reduce((filled, value, place) => filled.replaceAll(`{${place}}`, value ?? ''), label);
}

/** Rows of Apex with the package's own names: where it carries a namespace, that stands before them. */
export function own(rows) {
    const plain = (row) =>
        Object.fromEntries(
            Object.entries(row).map(([name, value]) => [name.replace(/^[A-Za-z]\w*?__(?=Tandem_)/, ''), value])
        );
    return (rows || []).map(plain);
}

/** An amount; without a currency, in that of the org. A currency that has no ISO code stands behind it as it is. */
export function money(amount, currency) {
    const code = currency || ORG_CURRENCY;
    const style = /^[A-Z]{3}$/.test(code) ? { style: 'currency', currency: code } : { minimumFractionDigits: 2 };
    const shown = new Intl.NumberFormat(LOCALE, style).format(amount ?? 0);
    return style.currency ? shown : `${shown} ${code}`;
}

/** A quantity, with the decimals it has. */
export function quantity(amount) {
    return new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 6 }).format(amount ?? 0);
}

/** `2026-01-31` as a day of the reader's language; empty for none. */
export function day(date) {
    return date ? new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(date)) : '';
}

/** A moment in the reader's language and time zone; empty for none. */
export function moment(time) {
    if (!time) {
        return '';
    }
    const style = { dateStyle: 'medium', timeStyle: 'short', timeZone: TIME_ZONE };
    return new Intl.DateTimeFormat(LOCALE, style).format(new Date(time));
}

/** Whole days from a day to today, both as calendar days of the reader; negative when it is to come. */
export function daysSince(date, now = new Date()) {
    const today = new Intl.DateTimeFormat('en-CA', { timeZone: TIME_ZONE }).format(now);
    return Math.round((Date.parse(today) - Date.parse(date)) / 86_400_000);
}

/** What went wrong, from the shapes in which the platform reports it. */
export function errorText(error) {
    const body = error?.body;
    if (Array.isArray(body)) {
        return body.map((one) => one.message).join(', ');
    }
    return body?.message || error?.message || String(error);
}
