/* Shows the components that the address names: ?components=tandemStock,…&recordId=…&objectApiName=… */
import '@lwc/synthetic-shadow';
import { createElement } from 'lwc';
import TandemCreditCard from 'c/tandemCreditCard';
import TandemCreditWarning from 'c/tandemCreditWarning';
import TandemOrderTimeline from 'c/tandemOrderTimeline';
import TandemReviews from 'c/tandemReviews';
import TandemSetup from 'c/tandemSetup';
import TandemStock from 'c/tandemStock';

const known = { TandemCreditCard, TandemCreditWarning, TandemOrderTimeline, TandemReviews, TandemSetup, TandemStock };
const asked = new URLSearchParams(location.search);
// None on the page that a link leads to.
for (const name of asked.get('components')?.split(',') ?? []) {
    const tag = `c-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const element = createElement(tag, { is: known[name[0].toUpperCase() + name.slice(1)] });
    for (const property of ['recordId', 'objectApiName']) {
        if (asked.has(property)) {
            element[property] = asked.get(property);
        }
    }
    document.querySelector('main').appendChild(element);
}
