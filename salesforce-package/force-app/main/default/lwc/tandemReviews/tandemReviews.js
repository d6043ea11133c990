import { LightningElement, api } from 'lwc';
import { notifyRecordUpdateAvailable } from 'lightning/uiRecordApi';
import { ShowToastEvent } from 'lightning/platformShowToastEvent';
import openReviews from '@salesforce/apex/TandemRecords.openReviews';
import phrases from '@salesforce/apex/TandemRecords.phrases';
import answer from '@salesforce/apex/TandemActions.answer';
import MAY_ANSWER from '@salesforce/customPermission/Tandem_Answer_Reviews';
import LABEL_ERROR from '@salesforce/label/c.Tandem_Error';
import LABEL_SYNC_ASKED from '@salesforce/label/c.Tandem_Sync_Asked';
import LABEL_TITLE from '@salesforce/label/c.Tandem_Review_Title';
import LABEL_ANSWERED from '@salesforce/label/c.Tandem_Review_Answered';
import LABEL_ELSEWHERE from '@salesforce/label/c.Tandem_Review_Elsewhere';
import LABEL_WHO from '@salesforce/label/c.Tandem_Review_Who';
import { lookAgain } from 'c/tandemAgain';
import { choiceLabel } from 'c/tandemChoice';
import { keysWithoutLabel, reason } from 'c/tandemReason';
import { errorText, own, text } from 'c/tandemText';

/**
 * What Tandem asks about the record, or the question itself on its own page, with its answers; nothing where it asks nothing.
 * Tells who holds it what is asked (`asked`, with the reasons in English) and that it looked again after an answer (`looked`).
 */
export default class TandemReviews extends LightningElement {
    label = { title: LABEL_TITLE, elsewhere: LABEL_ELSEWHERE, who: LABEL_WHO };

    mayAnswer = MAY_ANSWER;
    answering = false;
    problem = '';
    reviews = [];
    /** Labels of the company's own plugins by key. */
    ownPhrases = {};
    shownId;
    stop = () => {};

    @api
    get recordId() {
        return this.shownId;
    }

    set recordId(id) {
        this.shownId = id;
        this.refresh();
    }

    disconnectedCallback() {
        this.stop();
    }

    /** Asks the org what is open now. */
    @api
    async refresh() {
        const asked = this.shownId;
        try {
            const reviews = own(await openReviews({ recordId: asked }));
            const keys = keysWithoutLabel(reviews);
            const ownPhrases = keys.length ? await phrases({ keys }) : {};
            // Another record is shown by now.
            if (asked !== this.shownId) {
                return;
            }
            this.ownPhrases = ownPhrases;
            this.reviews = reviews;
            this.problem = '';
        } catch (error) {
            this.problem = text(LABEL_ERROR, errorText(error));
        }
        const reasons = this.reviews.map((row) => row.Tandem_Reason__c);
        this.dispatchEvent(new CustomEvent('asked', { detail: reasons }));
    }

    get questions() {
        return this.reviews.map((row) => {
            const choices = (row.Tandem_Choices__c || '').split('\n').filter(Boolean);
            return {
                id: row.Id,
                reason: reason(row, this.ownPhrases),
                choices: choices.map((value) => ({ value, label: choiceLabel(value) })),
                elsewhere: choices.length === 0,
                answered: row.Tandem_Answer__c ? text(LABEL_ANSWERED, choiceLabel(row.Tandem_Answer__c)) : ''
            };
        });
    }

    async answer(event) {
        const { name, value } = event.target;
        this.answering = true;
        try {
            await answer({ reviewId: name, choice: value });
            this.dispatchEvent(new ShowToastEvent({ title: LABEL_SYNC_ASKED, variant: 'info' }));
            this.stop();
            this.stop = lookAgain(() => this.look());
            await this.refresh();
        } catch (error) {
            this.problem = errorText(error);
        } finally {
            this.answering = false;
        }
    }

    async look() {
        await notifyRecordUpdateAvailable([{ recordId: this.shownId }]);
        await this.refresh();
        this.dispatchEvent(new CustomEvent('looked'));
    }
}
