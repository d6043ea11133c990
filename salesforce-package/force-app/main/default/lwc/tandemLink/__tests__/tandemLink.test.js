import { createElement } from 'lwc';
import TandemLink from 'c/tandemLink';

const mockWent = jest.fn();
jest.mock('lightning/navigation', () => {
    const Navigate = Symbol('Navigate');
    const GenerateUrl = Symbol('GenerateUrl');
    const NavigationMixin = (Base) =>
        class extends Base {
            [Navigate](page) {
                mockWent(page);
            }
            async [GenerateUrl](page) {
                return `https://org.example/${page.attributes.recordId}`;
            }
        };
    return { NavigationMixin: Object.assign(NavigationMixin, { Navigate, GenerateUrl }) };
});

const settled = async () => {
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
};

async function show(recordId) {
    const element = createElement('c-tandem-link', { is: TandemLink });
    element.recordId = recordId;
    element.label = 'Invoice 7';
    document.body.appendChild(element);
    await settled();
    return element;
}

const anchor = (element) => element.shadowRoot.querySelector('a');

describe('c-tandem-link', () => {
    afterEach(() => {
        document.body.replaceChildren();
        jest.clearAllMocks();
    });

    it('has the address that Salesforce gives the record, also when the record changes', async () => {
        const element = await show('a01');
        expect(anchor(element).getAttribute('href')).toBe('https://org.example/a01');
        expect(anchor(element).textContent).toBe('Invoice 7');
        expect(element.recordId).toBe('a01');
        element.recordId = 'a02';
        await settled();
        expect(anchor(element).getAttribute('href')).toBe('https://org.example/a02');
        element.recordId = undefined;
        await settled();
        expect(anchor(element).getAttribute('href')).toBe('');
    });

    it('opens the record where the platform opens records', async () => {
        const click = new MouseEvent('click', { cancelable: true });
        anchor(await show('a01')).dispatchEvent(click);
        expect(click.defaultPrevented).toBe(true);
        expect(mockWent).toHaveBeenCalledWith({
            type: 'standard__recordPage',
            attributes: { recordId: 'a01', actionName: 'view' }
        });
    });

    it('leaves a tab of its own to the browser', async () => {
        const click = new MouseEvent('click', { cancelable: true, ctrlKey: true });
        anchor(await show('a01')).dispatchEvent(click);
        expect(click.defaultPrevented).toBe(false);
        expect(mockWent).not.toHaveBeenCalled();
    });
});
