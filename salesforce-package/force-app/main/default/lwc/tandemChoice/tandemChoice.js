/** What a person may choose in a review, in the reader's language. A choice is sent back as its flow has worded it. */
import LABEL_RETRY from '@salesforce/label/c.Tandem_Choice_Retry';
import LABEL_IGNORE from '@salesforce/label/c.Tandem_Choice_Ignore';
import LABEL_SEND_ANYWAY from '@salesforce/label/c.Tandem_Choice_Send_Anyway';
import LABEL_CANCEL_ORDER from '@salesforce/label/c.Tandem_Choice_Cancel_Order';
import LABEL_CREATE from '@salesforce/label/c.Tandem_Choice_Create';
import LABEL_CREATE_ANYWAY from '@salesforce/label/c.Tandem_Choice_Create_Anyway';
import LABEL_SAVE_ANYWAY from '@salesforce/label/c.Tandem_Choice_Save_Anyway';
import LABEL_NEW_ORDER from '@salesforce/label/c.Tandem_Choice_New_Order';
import LABEL_LEAVE_CANCELLED from '@salesforce/label/c.Tandem_Choice_Leave_Cancelled';
import LABEL_KEEP_B1 from '@salesforce/label/c.Tandem_Choice_Keep_B1';
import LABEL_KEEP_SALESFORCE from '@salesforce/label/c.Tandem_Choice_Keep_Salesforce';
import LABEL_KEEP_IN_B1 from '@salesforce/label/c.Tandem_Choice_Keep_In_B1';
import LABEL_MAKE_INACTIVE from '@salesforce/label/c.Tandem_Choice_Make_Inactive';
import LABEL_KEEP_SO from '@salesforce/label/c.Tandem_Choice_Keep_So';
import LABEL_MARK from '@salesforce/label/c.Tandem_Choice_Mark';
import LABEL_LEAVE_UNMARKED from '@salesforce/label/c.Tandem_Choice_Leave_Unmarked';
import LABEL_UNLINK from '@salesforce/label/c.Tandem_Choice_Unlink';
import LABEL_REFUSE from '@salesforce/label/c.Tandem_Choice_Refuse';
import LABEL_APPROVE from '@salesforce/label/c.Tandem_Choice_Approve';
import LABEL_LINK_WITH from '@salesforce/label/c.Tandem_Choice_Link_With';
import { text } from 'c/tandemText';

const LABELS = {
    retry: LABEL_RETRY,
    ignore: LABEL_IGNORE,
    'send anyway': LABEL_SEND_ANYWAY,
    'cancel the order': LABEL_CANCEL_ORDER,
    create: LABEL_CREATE,
    'create all the same': LABEL_CREATE_ANYWAY,
    'save all the same': LABEL_SAVE_ANYWAY,
    'create a new order': LABEL_NEW_ORDER,
    'leave it cancelled': LABEL_LEAVE_CANCELLED,
    "keep B1's": LABEL_KEEP_B1,
    "keep Salesforce's": LABEL_KEEP_SALESFORCE,
    'keep in B1': LABEL_KEEP_IN_B1,
    'make inactive in B1': LABEL_MAKE_INACTIVE,
    'keep it so': LABEL_KEEP_SO,
    mark: LABEL_MARK,
    'leave unmarked': LABEL_LEAVE_UNMARKED,
    unlink: LABEL_UNLINK,
    refuse: LABEL_REFUSE
};
const LINK_WITH = 'link with ';
/** What a call would write, by the digest of its rehearsal. */
const APPROVE = 'approve ';

/** The choice as it is shown; as its flow words it where that is a plugin of the company's own. */
export function choiceLabel(choice) {
    if (choice.startsWith(LINK_WITH)) {
        return text(LABEL_LINK_WITH, choice.slice(LINK_WITH.length));
    }
    if (choice.startsWith(APPROVE)) {
        return LABEL_APPROVE;
    }
    return Object.hasOwn(LABELS, choice) ? LABELS[choice] : choice;
}
