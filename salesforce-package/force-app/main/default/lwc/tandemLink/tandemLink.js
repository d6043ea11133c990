import { LightningElement, api } from 'lwc';
import { NavigationMixin } from 'lightning/navigation';

/** A record's name that leads to its page, in whatever Lightning shows it: a tab, a console, an Experience site, the app on a phone. */
export default class TandemLink extends NavigationMixin(LightningElement) {
    @api label;
    url = '';
    shownId;

    @api
    get recordId() {
        return this.shownId;
    }

    set recordId(id) {
        this.shownId = id;
        this.findAddress();
    }

    async findAddress() {
        const asked = this.shownId;
        const url = asked ? await this[NavigationMixin.GenerateUrl](page(asked)) : '';
        if (asked === this.shownId) {
            this.url = url;
        }
    }

    /** Not what a person opens in a tab of its own. */
    open(event) {
        if (event.ctrlKey || event.metaKey || event.shiftKey) {
            return;
        }
        event.preventDefault();
        this[NavigationMixin.Navigate](page(this.shownId));
    }
}

function page(recordId) {
    return { type: 'standard__recordPage', attributes: { recordId, actionName: 'view' } };
}
