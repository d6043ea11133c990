/** Reasons by their key: the package's labels. What every plugin of the package says is here; `names.rs` sees to it. */
import SAID_ACCOUNTS_ACCOUNT_DELETED from '@salesforce/label/c.Tandem_Said_accounts_account_deleted';
import SAID_ACCOUNTS_ACCOUNT_UNSEEN from '@salesforce/label/c.Tandem_Said_accounts_account_unseen';
import SAID_ACCOUNTS_BOTH_CHANGED from '@salesforce/label/c.Tandem_Said_accounts_both_changed';
import SAID_ACCOUNTS_CANDIDATE from '@salesforce/label/c.Tandem_Said_accounts_candidate';
import SAID_ACCOUNTS_CODE_EMPTIED from '@salesforce/label/c.Tandem_Said_accounts_code_emptied';
import SAID_ACCOUNTS_CODE_OF_ANOTHER from '@salesforce/label/c.Tandem_Said_accounts_code_of_another';
import SAID_ACCOUNTS_CODE_TAKEN from '@salesforce/label/c.Tandem_Said_accounts_code_taken';
import SAID_ACCOUNTS_CODE_UNKNOWN from '@salesforce/label/c.Tandem_Said_accounts_code_unknown';
import SAID_ACCOUNTS_CONTACT_DELETED from '@salesforce/label/c.Tandem_Said_accounts_contact_deleted';
import SAID_ACCOUNTS_CONTESTED from '@salesforce/label/c.Tandem_Said_accounts_contested';
import SAID_ACCOUNTS_DUPLICATE from '@salesforce/label/c.Tandem_Said_accounts_duplicate';
import SAID_ACCOUNTS_DUPLICATE_BLOCKED from '@salesforce/label/c.Tandem_Said_accounts_duplicate_blocked';
import SAID_ACCOUNTS_DUPLICATE_LINKED from '@salesforce/label/c.Tandem_Said_accounts_duplicate_linked';
import SAID_ACCOUNTS_EMAIL_DOMAIN from '@salesforce/label/c.Tandem_Said_accounts_email_domain';
import SAID_ACCOUNTS_EMPLOYEE_REMOVED from '@salesforce/label/c.Tandem_Said_accounts_employee_removed';
import SAID_ACCOUNTS_LEGAL_FORMS_DIFFER from '@salesforce/label/c.Tandem_Said_accounts_legal_forms_differ';
import SAID_ACCOUNTS_LINKED_ALREADY from '@salesforce/label/c.Tandem_Said_accounts_linked_already';
import SAID_ACCOUNTS_LOOKING from '@salesforce/label/c.Tandem_Said_accounts_looking';
import SAID_ACCOUNTS_LOOKING_CONTACTS from '@salesforce/label/c.Tandem_Said_accounts_looking_contacts';
import SAID_ACCOUNTS_LOOKING_ORG from '@salesforce/label/c.Tandem_Said_accounts_looking_org';
import SAID_ACCOUNTS_MADE_FOR from '@salesforce/label/c.Tandem_Said_accounts_made_for';
import SAID_ACCOUNTS_MANY_MISSING from '@salesforce/label/c.Tandem_Said_accounts_many_missing';
import SAID_ACCOUNTS_MAPPING from '@salesforce/label/c.Tandem_Said_accounts_mapping';
import SAID_ACCOUNTS_MAPPING_NEW_PARTNER from '@salesforce/label/c.Tandem_Said_accounts_mapping_new_partner';
import SAID_ACCOUNTS_MAYBE_SAME from '@salesforce/label/c.Tandem_Said_accounts_maybe_same';
import SAID_ACCOUNTS_MAYBE_SAME_TAKEN from '@salesforce/label/c.Tandem_Said_accounts_maybe_same_taken';
import SAID_ACCOUNTS_MERGED from '@salesforce/label/c.Tandem_Said_accounts_merged';
import SAID_ACCOUNTS_NAME_POSTCODE from '@salesforce/label/c.Tandem_Said_accounts_name_postcode';
import SAID_ACCOUNTS_NO_CANDIDATE from '@salesforce/label/c.Tandem_Said_accounts_no_candidate';
import SAID_ACCOUNTS_NO_CARD_CODE from '@salesforce/label/c.Tandem_Said_accounts_no_card_code';
import SAID_ACCOUNTS_NO_LAST_NAME from '@salesforce/label/c.Tandem_Said_accounts_no_last_name';
import SAID_ACCOUNTS_NONE_IS_MADE from '@salesforce/label/c.Tandem_Said_accounts_none_is_made';
import SAID_ACCOUNTS_NOTHING_DONE from '@salesforce/label/c.Tandem_Said_accounts_nothing_done';
import SAID_ACCOUNTS_OF from '@salesforce/label/c.Tandem_Said_accounts_of';
import SAID_ACCOUNTS_PARTNER_DELETED from '@salesforce/label/c.Tandem_Said_accounts_partner_deleted';
import SAID_ACCOUNTS_READING from '@salesforce/label/c.Tandem_Said_accounts_reading';
import SAID_ACCOUNTS_READING_EMPLOYEES from '@salesforce/label/c.Tandem_Said_accounts_reading_employees';
import SAID_ACCOUNTS_SEVERAL_MADE from '@salesforce/label/c.Tandem_Said_accounts_several_made';
import SAID_ACCOUNTS_TAX_ID from '@salesforce/label/c.Tandem_Said_accounts_tax_id';
import SAID_ACCOUNTS_TAX_IDS_DIFFER from '@salesforce/label/c.Tandem_Said_accounts_tax_ids_differ';
import SAID_ACCOUNTS_THE_ACCOUNT from '@salesforce/label/c.Tandem_Said_accounts_the_account';
import SAID_ACCOUNTS_THE_CONTACT from '@salesforce/label/c.Tandem_Said_accounts_the_contact';
import SAID_ACCOUNTS_THE_PARTNER from '@salesforce/label/c.Tandem_Said_accounts_the_partner';
import SAID_ACCOUNTS_WRITING_ACCOUNT from '@salesforce/label/c.Tandem_Said_accounts_writing_account';
import SAID_ACCOUNTS_WRITING_CONTACT from '@salesforce/label/c.Tandem_Said_accounts_writing_contact';
import SAID_ACCOUNTS_WRITING_PARTNER from '@salesforce/label/c.Tandem_Said_accounts_writing_partner';
import SAID_CATALOGUE_DECIMALS from '@salesforce/label/c.Tandem_Said_catalogue_decimals';
import SAID_CATALOGUE_ITEM from '@salesforce/label/c.Tandem_Said_catalogue_item';
import SAID_CATALOGUE_ITEM_DELETED from '@salesforce/label/c.Tandem_Said_catalogue_item_deleted';
import SAID_CATALOGUE_LIST from '@salesforce/label/c.Tandem_Said_catalogue_list';
import SAID_CATALOGUE_MAPPING from '@salesforce/label/c.Tandem_Said_catalogue_mapping';
import SAID_CATALOGUE_NEGATIVE from '@salesforce/label/c.Tandem_Said_catalogue_negative';
import SAID_CATALOGUE_NO_TAX_RATE from '@salesforce/label/c.Tandem_Said_catalogue_no_tax_rate';
import SAID_CATALOGUE_READING_BOOKS from '@salesforce/label/c.Tandem_Said_catalogue_reading_books';
import SAID_CATALOGUE_READING_CURRENCIES from '@salesforce/label/c.Tandem_Said_catalogue_reading_currencies';
import SAID_CATALOGUE_READING_ITEMS from '@salesforce/label/c.Tandem_Said_catalogue_reading_items';
import SAID_CATALOGUE_READING_PRICES from '@salesforce/label/c.Tandem_Said_catalogue_reading_prices';
import SAID_CATALOGUE_READING_PRODUCTS from '@salesforce/label/c.Tandem_Said_catalogue_reading_products';
import SAID_CATALOGUE_READING_SPECIAL_PRICES from '@salesforce/label/c.Tandem_Said_catalogue_reading_special_prices';
import SAID_CATALOGUE_READING_UNITS_AND_TAXES from '@salesforce/label/c.Tandem_Said_catalogue_reading_units_and_taxes';
import SAID_CATALOGUE_SEVERAL_PRODUCTS from '@salesforce/label/c.Tandem_Said_catalogue_several_products';
import SAID_CATALOGUE_SPECIAL_PRICE from '@salesforce/label/c.Tandem_Said_catalogue_special_price';
import SAID_CATALOGUE_ZERO from '@salesforce/label/c.Tandem_Said_catalogue_zero';
import SAID_CREDIT_READING from '@salesforce/label/c.Tandem_Said_credit_reading';
import SAID_CREDIT_WRITING_ALERT from '@salesforce/label/c.Tandem_Said_credit_writing_alert';
import SAID_FULFILMENT_READING_CASES from '@salesforce/label/c.Tandem_Said_fulfilment_reading_cases';
import SAID_FULFILMENT_READING_DELIVERIES from '@salesforce/label/c.Tandem_Said_fulfilment_reading_deliveries';
import SAID_HOST_CALL_CHANGED from '@salesforce/label/c.Tandem_Said_host_call_changed';
import SAID_HOST_CALL_IN_PART from '@salesforce/label/c.Tandem_Said_host_call_in_part';
import SAID_HOST_CALL_WAITS from '@salesforce/label/c.Tandem_Said_host_call_waits';
import SAID_HOST_GAVE_UP from '@salesforce/label/c.Tandem_Said_host_gave_up';
import SAID_HOST_NOT_TAKEN_UP from '@salesforce/label/c.Tandem_Said_host_not_taken_up';
import SAID_HOST_PLUGIN_FAILED from '@salesforce/label/c.Tandem_Said_host_plugin_failed';
import SAID_HOST_STILL_WAITS from '@salesforce/label/c.Tandem_Said_host_still_waits';
import SAID_HOST_WAITED from '@salesforce/label/c.Tandem_Said_host_waited';
import SAID_INVENTORY_READING_DOCUMENTS_THAT_CHANGED from '@salesforce/label/c.Tandem_Said_inventory_reading_documents_that_changed';
import SAID_INVENTORY_READING_STOCK from '@salesforce/label/c.Tandem_Said_inventory_reading_stock';
import SAID_INVENTORY_WRITING_AVAILABILITY_OPPORTUNITIES from '@salesforce/label/c.Tandem_Said_inventory_writing_availability_opportunities';
import SAID_INVENTORY_WRITING_AVAILABILITY_OPPORTUNITY_LINE from '@salesforce/label/c.Tandem_Said_inventory_writing_availability_opportunity_line';
import SAID_INVOICES_COMPANY_CURRENCY from '@salesforce/label/c.Tandem_Said_invoices_company_currency';
import SAID_INVOICES_READING_BEFORE_ACCOUNT from '@salesforce/label/c.Tandem_Said_invoices_reading_before_account';
import SAID_INVOICES_READING_BEFORE_ORDER from '@salesforce/label/c.Tandem_Said_invoices_reading_before_order';
import SAID_INVOICES_READING_INCOMING_PAYMENTS from '@salesforce/label/c.Tandem_Said_invoices_reading_incoming_payments';
import SAID_INVOICES_READING_INVOICES from '@salesforce/label/c.Tandem_Said_invoices_reading_invoices';
import SAID_INVOICES_SUMMING_OPPORTUNITY_INVOICES from '@salesforce/label/c.Tandem_Said_invoices_summing_opportunity_invoices';
import SAID_ORDERS_ACCOUNT_NOT_LINKED from '@salesforce/label/c.Tandem_Said_orders_account_not_linked';
import SAID_ORDERS_APPROVED from '@salesforce/label/c.Tandem_Said_orders_approved';
import SAID_ORDERS_AT_RATE from '@salesforce/label/c.Tandem_Said_orders_at_rate';
import SAID_ORDERS_AWAITING from '@salesforce/label/c.Tandem_Said_orders_awaiting';
import SAID_ORDERS_AWAITS_ADDING from '@salesforce/label/c.Tandem_Said_orders_awaits_adding';
import SAID_ORDERS_AWAITS_APPROVAL from '@salesforce/label/c.Tandem_Said_orders_awaits_approval';
import SAID_ORDERS_BEFORE_TAX from '@salesforce/label/c.Tandem_Said_orders_before_tax';
import SAID_ORDERS_BOTH_CHANGED from '@salesforce/label/c.Tandem_Said_orders_both_changed';
import SAID_ORDERS_BRANCH_MISSING from '@salesforce/label/c.Tandem_Said_orders_branch_missing';
import SAID_ORDERS_BRANCH_WRONG from '@salesforce/label/c.Tandem_Said_orders_branch_wrong';
import SAID_ORDERS_CANCELLED from '@salesforce/label/c.Tandem_Said_orders_cancelled';
import SAID_ORDERS_CANCELLED_ALREADY from '@salesforce/label/c.Tandem_Said_orders_cancelled_already';
import SAID_ORDERS_CANCELLED_DECIDED from '@salesforce/label/c.Tandem_Said_orders_cancelled_decided';
import SAID_ORDERS_CANCELLED_HERE from '@salesforce/label/c.Tandem_Said_orders_cancelled_here';
import SAID_ORDERS_CANCELLED_THERE from '@salesforce/label/c.Tandem_Said_orders_cancelled_there';
import SAID_ORDERS_CANCELLING from '@salesforce/label/c.Tandem_Said_orders_cancelling';
import SAID_ORDERS_CHANGE_OVER_LIMIT from '@salesforce/label/c.Tandem_Said_orders_change_over_limit';
import SAID_ORDERS_CHANGED from '@salesforce/label/c.Tandem_Said_orders_changed';
import SAID_ORDERS_CHANGING from '@salesforce/label/c.Tandem_Said_orders_changing';
import SAID_ORDERS_CLOSED from '@salesforce/label/c.Tandem_Said_orders_closed';
import SAID_ORDERS_CLOSED_STAYS from '@salesforce/label/c.Tandem_Said_orders_closed_stays';
import SAID_ORDERS_COPY from '@salesforce/label/c.Tandem_Said_orders_copy';
import SAID_ORDERS_COPY_OPEN from '@salesforce/label/c.Tandem_Said_orders_copy_open';
import SAID_ORDERS_CREATED from '@salesforce/label/c.Tandem_Said_orders_created';
import SAID_ORDERS_CREATING from '@salesforce/label/c.Tandem_Said_orders_creating';
import SAID_ORDERS_CREDIT_UNCHECKED from '@salesforce/label/c.Tandem_Said_orders_credit_unchecked';
import SAID_ORDERS_CREDIT_UNVALUED from '@salesforce/label/c.Tandem_Said_orders_credit_unvalued';
import SAID_ORDERS_CURRENCY_DIFFERS from '@salesforce/label/c.Tandem_Said_orders_currency_differs';
import SAID_ORDERS_CUSTOMER_FROZEN from '@salesforce/label/c.Tandem_Said_orders_customer_frozen';
import SAID_ORDERS_CUSTOMER_STAYS from '@salesforce/label/c.Tandem_Said_orders_customer_stays';
import SAID_ORDERS_DELETED from '@salesforce/label/c.Tandem_Said_orders_deleted';
import SAID_ORDERS_DELIVERED_IN_PART from '@salesforce/label/c.Tandem_Said_orders_delivered_in_part';
import SAID_ORDERS_DRAFT_KEPT from '@salesforce/label/c.Tandem_Said_orders_draft_kept';
import SAID_ORDERS_DRAFT_LEFT from '@salesforce/label/c.Tandem_Said_orders_draft_left';
import SAID_ORDERS_DRAFT_REFUSED from '@salesforce/label/c.Tandem_Said_orders_draft_refused';
import SAID_ORDERS_DRAFT_REMOVED from '@salesforce/label/c.Tandem_Said_orders_draft_removed';
import SAID_ORDERS_DRAFT_STAYS from '@salesforce/label/c.Tandem_Said_orders_draft_stays';
import SAID_ORDERS_DUE_MOVED from '@salesforce/label/c.Tandem_Said_orders_due_moved';
import SAID_ORDERS_FIELD_OF from '@salesforce/label/c.Tandem_Said_orders_field_of';
import SAID_ORDERS_FOREIGN from '@salesforce/label/c.Tandem_Said_orders_foreign';
import SAID_ORDERS_FOREIGN_ITEM from '@salesforce/label/c.Tandem_Said_orders_foreign_item';
import SAID_ORDERS_GONE from '@salesforce/label/c.Tandem_Said_orders_gone';
import SAID_ORDERS_HEADER from '@salesforce/label/c.Tandem_Said_orders_header';
import SAID_ORDERS_IGNORED_UNREAD from '@salesforce/label/c.Tandem_Said_orders_ignored_unread';
import SAID_ORDERS_ITEM_INACTIVE from '@salesforce/label/c.Tandem_Said_orders_item_inactive';
import SAID_ORDERS_LEFT from '@salesforce/label/c.Tandem_Said_orders_left';
import SAID_ORDERS_LINE from '@salesforce/label/c.Tandem_Said_orders_line';
import SAID_ORDERS_LINE_CHANGED_THERE from '@salesforce/label/c.Tandem_Said_orders_line_changed_there';
import SAID_ORDERS_LINE_FIXED from '@salesforce/label/c.Tandem_Said_orders_line_fixed';
import SAID_ORDERS_LINE_REMOVED from '@salesforce/label/c.Tandem_Said_orders_line_removed';
import SAID_ORDERS_LINE_STAYS from '@salesforce/label/c.Tandem_Said_orders_line_stays';
import SAID_ORDERS_LOOKING from '@salesforce/label/c.Tandem_Said_orders_looking';
import SAID_ORDERS_LOOKING_APPROVAL from '@salesforce/label/c.Tandem_Said_orders_looking_approval';
import SAID_ORDERS_LOOKING_BIN from '@salesforce/label/c.Tandem_Said_orders_looking_bin';
import SAID_ORDERS_LOOKING_WAITING from '@salesforce/label/c.Tandem_Said_orders_looking_waiting';
import SAID_ORDERS_MADE_BEFORE from '@salesforce/label/c.Tandem_Said_orders_made_before';
import SAID_ORDERS_MAPPING from '@salesforce/label/c.Tandem_Said_orders_mapping';
import SAID_ORDERS_NO_ACCOUNT from '@salesforce/label/c.Tandem_Said_orders_no_account';
import SAID_ORDERS_NO_CANCEL from '@salesforce/label/c.Tandem_Said_orders_no_cancel';
import SAID_ORDERS_NO_CHANGE_OF from '@salesforce/label/c.Tandem_Said_orders_no_change_of';
import SAID_ORDERS_NO_CUSTOMER from '@salesforce/label/c.Tandem_Said_orders_no_customer';
import SAID_ORDERS_NO_ITEM from '@salesforce/label/c.Tandem_Said_orders_no_item';
import SAID_ORDERS_NO_ITEM_CODE from '@salesforce/label/c.Tandem_Said_orders_no_item_code';
import SAID_ORDERS_NO_PRICE from '@salesforce/label/c.Tandem_Said_orders_no_price';
import SAID_ORDERS_NO_PRODUCTS from '@salesforce/label/c.Tandem_Said_orders_no_products';
import SAID_ORDERS_NOT_FOR_SALE from '@salesforce/label/c.Tandem_Said_orders_not_for_sale';
import SAID_ORDERS_NOT_TAKEN from '@salesforce/label/c.Tandem_Said_orders_not_taken';
import SAID_ORDERS_NOTHING_THERE from '@salesforce/label/c.Tandem_Said_orders_nothing_there';
import SAID_ORDERS_NOTING from '@salesforce/label/c.Tandem_Said_orders_noting';
import SAID_ORDERS_ORDER from '@salesforce/label/c.Tandem_Said_orders_order';
import SAID_ORDERS_OVER_LIMIT from '@salesforce/label/c.Tandem_Said_orders_over_limit';
import SAID_ORDERS_QUANTITY from '@salesforce/label/c.Tandem_Said_orders_quantity';
import SAID_ORDERS_READING from '@salesforce/label/c.Tandem_Said_orders_reading';
import SAID_ORDERS_READING_CHANGED from '@salesforce/label/c.Tandem_Said_orders_reading_changed';
import SAID_ORDERS_READING_CURRENCIES from '@salesforce/label/c.Tandem_Said_orders_reading_currencies';
import SAID_ORDERS_READING_LEDGER from '@salesforce/label/c.Tandem_Said_orders_reading_ledger';
import SAID_ORDERS_READING_ONE_CURRENCY from '@salesforce/label/c.Tandem_Said_orders_reading_one_currency';
import SAID_ORDERS_READING_OPPORTUNITY from '@salesforce/label/c.Tandem_Said_orders_reading_opportunity';
import SAID_ORDERS_READING_RATES from '@salesforce/label/c.Tandem_Said_orders_reading_rates';
import SAID_ORDERS_READING_WITHOUT_FIELDS from '@salesforce/label/c.Tandem_Said_orders_reading_without_fields';
import SAID_ORDERS_REFUSED from '@salesforce/label/c.Tandem_Said_orders_refused';
import SAID_ORDERS_REMOVED_LINE from '@salesforce/label/c.Tandem_Said_orders_removed_line';
import SAID_ORDERS_REMOVING_DRAFT from '@salesforce/label/c.Tandem_Said_orders_removing_draft';
import SAID_ORDERS_ROW_ALONE from '@salesforce/label/c.Tandem_Said_orders_row_alone';
import SAID_ORDERS_SEVERAL from '@salesforce/label/c.Tandem_Said_orders_several';
import SAID_ORDERS_SEVERAL_OPEN from '@salesforce/label/c.Tandem_Said_orders_several_open';
import SAID_ORDERS_SPLIT from '@salesforce/label/c.Tandem_Said_orders_split';
import SAID_ORDERS_SPLIT_STAYS from '@salesforce/label/c.Tandem_Said_orders_split_stays';
import SAID_ORDERS_STAYS from '@salesforce/label/c.Tandem_Said_orders_stays';
import SAID_ORDERS_STAYS_CANCELLED from '@salesforce/label/c.Tandem_Said_orders_stays_cancelled';
import SAID_ORDERS_SUPPLIER from '@salesforce/label/c.Tandem_Said_orders_supplier';
import SAID_ORDERS_THE_OPPORTUNITY from '@salesforce/label/c.Tandem_Said_orders_the_opportunity';
import SAID_ORDERS_TOTAL from '@salesforce/label/c.Tandem_Said_orders_total';
import SAID_ORDERS_TOTAL_DIFFERS from '@salesforce/label/c.Tandem_Said_orders_total_differs';
import SAID_ORDERS_UNANSWERED from '@salesforce/label/c.Tandem_Said_orders_unanswered';
import SAID_ORDERS_UNDECIDED from '@salesforce/label/c.Tandem_Said_orders_undecided';
import SAID_ORDERS_UNDER_WAY from '@salesforce/label/c.Tandem_Said_orders_under_way';
import SAID_ORDERS_UNSEEN from '@salesforce/label/c.Tandem_Said_orders_unseen';
import SAID_ORDERS_UP_TO_DATE from '@salesforce/label/c.Tandem_Said_orders_up_to_date';
import SAID_ORDERS_WAITS from '@salesforce/label/c.Tandem_Said_orders_waits';
import SAID_ORDERS_WAITS_ASKED from '@salesforce/label/c.Tandem_Said_orders_waits_asked';
import SAID_ORDERS_WAITS_IN_VAIN from '@salesforce/label/c.Tandem_Said_orders_waits_in_vain';
import SAID_ORDERS_WAS from '@salesforce/label/c.Tandem_Said_orders_was';
import SAID_ORDERS_WAS_THERE from '@salesforce/label/c.Tandem_Said_orders_was_there';
import SAID_ORDERS_WITH_TAX from '@salesforce/label/c.Tandem_Said_orders_with_tax';
import SAID_ORDERS_WRITING_BACK from '@salesforce/label/c.Tandem_Said_orders_writing_back';
import SAID_ORDERS_WRITING_NUMBER from '@salesforce/label/c.Tandem_Said_orders_writing_number';
import SAID_SHARED_ANSWER_LOST from '@salesforce/label/c.Tandem_Said_shared_answer_lost';
import SAID_SHARED_COMPARING from '@salesforce/label/c.Tandem_Said_shared_comparing';
import SAID_SHARED_DENIED from '@salesforce/label/c.Tandem_Said_shared_denied';
import SAID_SHARED_FAILED from '@salesforce/label/c.Tandem_Said_shared_failed';
import SAID_SHARED_LEFT_OUT from '@salesforce/label/c.Tandem_Said_shared_left_out';
import SAID_SHARED_RATE_LIMIT from '@salesforce/label/c.Tandem_Said_shared_rate_limit';
import SAID_SHARED_SAME_CODE from '@salesforce/label/c.Tandem_Said_shared_same_code';
import SAID_SHARED_TOO_LARGE from '@salesforce/label/c.Tandem_Said_shared_too_large';
import SAID_SHARED_TWINS from '@salesforce/label/c.Tandem_Said_shared_twins';
import SAID_SHARED_UNREACHABLE from '@salesforce/label/c.Tandem_Said_shared_unreachable';
import SAID_SHARED_WRITING from '@salesforce/label/c.Tandem_Said_shared_writing';

export const PHRASES = {
    'accounts.account_deleted': SAID_ACCOUNTS_ACCOUNT_DELETED,
    'accounts.account_unseen': SAID_ACCOUNTS_ACCOUNT_UNSEEN,
    'accounts.both_changed': SAID_ACCOUNTS_BOTH_CHANGED,
    'accounts.candidate': SAID_ACCOUNTS_CANDIDATE,
    'accounts.code_emptied': SAID_ACCOUNTS_CODE_EMPTIED,
    'accounts.code_of_another': SAID_ACCOUNTS_CODE_OF_ANOTHER,
    'accounts.code_taken': SAID_ACCOUNTS_CODE_TAKEN,
    'accounts.code_unknown': SAID_ACCOUNTS_CODE_UNKNOWN,
    'accounts.contact_deleted': SAID_ACCOUNTS_CONTACT_DELETED,
    'accounts.contested': SAID_ACCOUNTS_CONTESTED,
    'accounts.duplicate': SAID_ACCOUNTS_DUPLICATE,
    'accounts.duplicate_blocked': SAID_ACCOUNTS_DUPLICATE_BLOCKED,
    'accounts.duplicate_linked': SAID_ACCOUNTS_DUPLICATE_LINKED,
    'accounts.email_domain': SAID_ACCOUNTS_EMAIL_DOMAIN,
    'accounts.employee_removed': SAID_ACCOUNTS_EMPLOYEE_REMOVED,
    'accounts.legal_forms_differ': SAID_ACCOUNTS_LEGAL_FORMS_DIFFER,
    'accounts.linked_already': SAID_ACCOUNTS_LINKED_ALREADY,
    'accounts.looking': SAID_ACCOUNTS_LOOKING,
    'accounts.looking_contacts': SAID_ACCOUNTS_LOOKING_CONTACTS,
    'accounts.looking_org': SAID_ACCOUNTS_LOOKING_ORG,
    'accounts.made_for': SAID_ACCOUNTS_MADE_FOR,
    'accounts.many_missing': SAID_ACCOUNTS_MANY_MISSING,
    'accounts.mapping': SAID_ACCOUNTS_MAPPING,
    'accounts.mapping_new_partner': SAID_ACCOUNTS_MAPPING_NEW_PARTNER,
    'accounts.maybe_same': SAID_ACCOUNTS_MAYBE_SAME,
    'accounts.maybe_same_taken': SAID_ACCOUNTS_MAYBE_SAME_TAKEN,
    'accounts.merged': SAID_ACCOUNTS_MERGED,
    'accounts.name_postcode': SAID_ACCOUNTS_NAME_POSTCODE,
    'accounts.no_candidate': SAID_ACCOUNTS_NO_CANDIDATE,
    'accounts.no_card_code': SAID_ACCOUNTS_NO_CARD_CODE,
    'accounts.no_last_name': SAID_ACCOUNTS_NO_LAST_NAME,
    'accounts.none_is_made': SAID_ACCOUNTS_NONE_IS_MADE,
    'accounts.nothing_done': SAID_ACCOUNTS_NOTHING_DONE,
    'accounts.of': SAID_ACCOUNTS_OF,
    'accounts.partner_deleted': SAID_ACCOUNTS_PARTNER_DELETED,
    'accounts.reading': SAID_ACCOUNTS_READING,
    'accounts.reading_employees': SAID_ACCOUNTS_READING_EMPLOYEES,
    'accounts.several_made': SAID_ACCOUNTS_SEVERAL_MADE,
    'accounts.tax_id': SAID_ACCOUNTS_TAX_ID,
    'accounts.tax_ids_differ': SAID_ACCOUNTS_TAX_IDS_DIFFER,
    'accounts.the_account': SAID_ACCOUNTS_THE_ACCOUNT,
    'accounts.the_contact': SAID_ACCOUNTS_THE_CONTACT,
    'accounts.the_partner': SAID_ACCOUNTS_THE_PARTNER,
    'accounts.writing_account': SAID_ACCOUNTS_WRITING_ACCOUNT,
    'accounts.writing_contact': SAID_ACCOUNTS_WRITING_CONTACT,
    'accounts.writing_partner': SAID_ACCOUNTS_WRITING_PARTNER,
    'catalogue.decimals': SAID_CATALOGUE_DECIMALS,
    'catalogue.item': SAID_CATALOGUE_ITEM,
    'catalogue.item_deleted': SAID_CATALOGUE_ITEM_DELETED,
    'catalogue.list': SAID_CATALOGUE_LIST,
    'catalogue.mapping': SAID_CATALOGUE_MAPPING,
    'catalogue.negative': SAID_CATALOGUE_NEGATIVE,
    'catalogue.no_tax_rate': SAID_CATALOGUE_NO_TAX_RATE,
    'catalogue.reading_books': SAID_CATALOGUE_READING_BOOKS,
    'catalogue.reading_currencies': SAID_CATALOGUE_READING_CURRENCIES,
    'catalogue.reading_items': SAID_CATALOGUE_READING_ITEMS,
    'catalogue.reading_prices': SAID_CATALOGUE_READING_PRICES,
    'catalogue.reading_products': SAID_CATALOGUE_READING_PRODUCTS,
    'catalogue.reading_special_prices': SAID_CATALOGUE_READING_SPECIAL_PRICES,
    'catalogue.reading_units_and_taxes': SAID_CATALOGUE_READING_UNITS_AND_TAXES,
    'catalogue.several_products': SAID_CATALOGUE_SEVERAL_PRODUCTS,
    'catalogue.special_price': SAID_CATALOGUE_SPECIAL_PRICE,
    'catalogue.zero': SAID_CATALOGUE_ZERO,
    'credit.reading': SAID_CREDIT_READING,
    'credit.writing_alert': SAID_CREDIT_WRITING_ALERT,
    'fulfilment.reading_cases': SAID_FULFILMENT_READING_CASES,
    'fulfilment.reading_deliveries': SAID_FULFILMENT_READING_DELIVERIES,
    'host.call_changed': SAID_HOST_CALL_CHANGED,
    'host.call_in_part': SAID_HOST_CALL_IN_PART,
    'host.call_waits': SAID_HOST_CALL_WAITS,
    'host.gave_up': SAID_HOST_GAVE_UP,
    'host.not_taken_up': SAID_HOST_NOT_TAKEN_UP,
    'host.plugin_failed': SAID_HOST_PLUGIN_FAILED,
    'host.still_waits': SAID_HOST_STILL_WAITS,
    'host.waited': SAID_HOST_WAITED,
    'inventory.reading_documents_that_changed': SAID_INVENTORY_READING_DOCUMENTS_THAT_CHANGED,
    'inventory.reading_stock': SAID_INVENTORY_READING_STOCK,
    'inventory.writing_availability_opportunities': SAID_INVENTORY_WRITING_AVAILABILITY_OPPORTUNITIES,
    'inventory.writing_availability_opportunity_line': SAID_INVENTORY_WRITING_AVAILABILITY_OPPORTUNITY_LINE,
    'invoices.company_currency': SAID_INVOICES_COMPANY_CURRENCY,
    'invoices.reading_before_account': SAID_INVOICES_READING_BEFORE_ACCOUNT,
    'invoices.reading_before_order': SAID_INVOICES_READING_BEFORE_ORDER,
    'invoices.reading_incoming_payments': SAID_INVOICES_READING_INCOMING_PAYMENTS,
    'invoices.reading_invoices': SAID_INVOICES_READING_INVOICES,
    'invoices.summing_opportunity_invoices': SAID_INVOICES_SUMMING_OPPORTUNITY_INVOICES,
    'orders.account_not_linked': SAID_ORDERS_ACCOUNT_NOT_LINKED,
    'orders.approved': SAID_ORDERS_APPROVED,
    'orders.at_rate': SAID_ORDERS_AT_RATE,
    'orders.awaiting': SAID_ORDERS_AWAITING,
    'orders.awaits_adding': SAID_ORDERS_AWAITS_ADDING,
    'orders.awaits_approval': SAID_ORDERS_AWAITS_APPROVAL,
    'orders.before_tax': SAID_ORDERS_BEFORE_TAX,
    'orders.both_changed': SAID_ORDERS_BOTH_CHANGED,
    'orders.branch_missing': SAID_ORDERS_BRANCH_MISSING,
    'orders.branch_wrong': SAID_ORDERS_BRANCH_WRONG,
    'orders.cancelled': SAID_ORDERS_CANCELLED,
    'orders.cancelled_already': SAID_ORDERS_CANCELLED_ALREADY,
    'orders.cancelled_decided': SAID_ORDERS_CANCELLED_DECIDED,
    'orders.cancelled_here': SAID_ORDERS_CANCELLED_HERE,
    'orders.cancelled_there': SAID_ORDERS_CANCELLED_THERE,
    'orders.cancelling': SAID_ORDERS_CANCELLING,
    'orders.change_over_limit': SAID_ORDERS_CHANGE_OVER_LIMIT,
    'orders.changed': SAID_ORDERS_CHANGED,
    'orders.changing': SAID_ORDERS_CHANGING,
    'orders.closed': SAID_ORDERS_CLOSED,
    'orders.closed_stays': SAID_ORDERS_CLOSED_STAYS,
    'orders.copy': SAID_ORDERS_COPY,
    'orders.copy_open': SAID_ORDERS_COPY_OPEN,
    'orders.created': SAID_ORDERS_CREATED,
    'orders.creating': SAID_ORDERS_CREATING,
    'orders.credit_unchecked': SAID_ORDERS_CREDIT_UNCHECKED,
    'orders.credit_unvalued': SAID_ORDERS_CREDIT_UNVALUED,
    'orders.currency_differs': SAID_ORDERS_CURRENCY_DIFFERS,
    'orders.customer_frozen': SAID_ORDERS_CUSTOMER_FROZEN,
    'orders.customer_stays': SAID_ORDERS_CUSTOMER_STAYS,
    'orders.deleted': SAID_ORDERS_DELETED,
    'orders.delivered_in_part': SAID_ORDERS_DELIVERED_IN_PART,
    'orders.draft_kept': SAID_ORDERS_DRAFT_KEPT,
    'orders.draft_left': SAID_ORDERS_DRAFT_LEFT,
    'orders.draft_refused': SAID_ORDERS_DRAFT_REFUSED,
    'orders.draft_removed': SAID_ORDERS_DRAFT_REMOVED,
    'orders.draft_stays': SAID_ORDERS_DRAFT_STAYS,
    'orders.due_moved': SAID_ORDERS_DUE_MOVED,
    'orders.field_of': SAID_ORDERS_FIELD_OF,
    'orders.foreign': SAID_ORDERS_FOREIGN,
    'orders.foreign_item': SAID_ORDERS_FOREIGN_ITEM,
    'orders.gone': SAID_ORDERS_GONE,
    'orders.header': SAID_ORDERS_HEADER,
    'orders.ignored_unread': SAID_ORDERS_IGNORED_UNREAD,
    'orders.item_inactive': SAID_ORDERS_ITEM_INACTIVE,
    'orders.left': SAID_ORDERS_LEFT,
    'orders.line': SAID_ORDERS_LINE,
    'orders.line_changed_there': SAID_ORDERS_LINE_CHANGED_THERE,
    'orders.line_fixed': SAID_ORDERS_LINE_FIXED,
    'orders.line_removed': SAID_ORDERS_LINE_REMOVED,
    'orders.line_stays': SAID_ORDERS_LINE_STAYS,
    'orders.looking': SAID_ORDERS_LOOKING,
    'orders.looking_approval': SAID_ORDERS_LOOKING_APPROVAL,
    'orders.looking_bin': SAID_ORDERS_LOOKING_BIN,
    'orders.looking_waiting': SAID_ORDERS_LOOKING_WAITING,
    'orders.made_before': SAID_ORDERS_MADE_BEFORE,
    'orders.mapping': SAID_ORDERS_MAPPING,
    'orders.no_account': SAID_ORDERS_NO_ACCOUNT,
    'orders.no_cancel': SAID_ORDERS_NO_CANCEL,
    'orders.no_change_of': SAID_ORDERS_NO_CHANGE_OF,
    'orders.no_customer': SAID_ORDERS_NO_CUSTOMER,
    'orders.no_item': SAID_ORDERS_NO_ITEM,
    'orders.no_item_code': SAID_ORDERS_NO_ITEM_CODE,
    'orders.no_price': SAID_ORDERS_NO_PRICE,
    'orders.no_products': SAID_ORDERS_NO_PRODUCTS,
    'orders.not_for_sale': SAID_ORDERS_NOT_FOR_SALE,
    'orders.not_taken': SAID_ORDERS_NOT_TAKEN,
    'orders.nothing_there': SAID_ORDERS_NOTHING_THERE,
    'orders.noting': SAID_ORDERS_NOTING,
    'orders.order': SAID_ORDERS_ORDER,
    'orders.over_limit': SAID_ORDERS_OVER_LIMIT,
    'orders.quantity': SAID_ORDERS_QUANTITY,
    'orders.reading': SAID_ORDERS_READING,
    'orders.reading_changed': SAID_ORDERS_READING_CHANGED,
    'orders.reading_currencies': SAID_ORDERS_READING_CURRENCIES,
    'orders.reading_ledger': SAID_ORDERS_READING_LEDGER,
    'orders.reading_one_currency': SAID_ORDERS_READING_ONE_CURRENCY,
    'orders.reading_opportunity': SAID_ORDERS_READING_OPPORTUNITY,
    'orders.reading_rates': SAID_ORDERS_READING_RATES,
    'orders.reading_without_fields': SAID_ORDERS_READING_WITHOUT_FIELDS,
    'orders.refused': SAID_ORDERS_REFUSED,
    'orders.removed_line': SAID_ORDERS_REMOVED_LINE,
    'orders.removing_draft': SAID_ORDERS_REMOVING_DRAFT,
    'orders.row_alone': SAID_ORDERS_ROW_ALONE,
    'orders.several': SAID_ORDERS_SEVERAL,
    'orders.several_open': SAID_ORDERS_SEVERAL_OPEN,
    'orders.split': SAID_ORDERS_SPLIT,
    'orders.split_stays': SAID_ORDERS_SPLIT_STAYS,
    'orders.stays': SAID_ORDERS_STAYS,
    'orders.stays_cancelled': SAID_ORDERS_STAYS_CANCELLED,
    'orders.supplier': SAID_ORDERS_SUPPLIER,
    'orders.the_opportunity': SAID_ORDERS_THE_OPPORTUNITY,
    'orders.total': SAID_ORDERS_TOTAL,
    'orders.total_differs': SAID_ORDERS_TOTAL_DIFFERS,
    'orders.unanswered': SAID_ORDERS_UNANSWERED,
    'orders.undecided': SAID_ORDERS_UNDECIDED,
    'orders.under_way': SAID_ORDERS_UNDER_WAY,
    'orders.unseen': SAID_ORDERS_UNSEEN,
    'orders.up_to_date': SAID_ORDERS_UP_TO_DATE,
    'orders.waits': SAID_ORDERS_WAITS,
    'orders.waits_asked': SAID_ORDERS_WAITS_ASKED,
    'orders.waits_in_vain': SAID_ORDERS_WAITS_IN_VAIN,
    'orders.was': SAID_ORDERS_WAS,
    'orders.was_there': SAID_ORDERS_WAS_THERE,
    'orders.with_tax': SAID_ORDERS_WITH_TAX,
    'orders.writing_back': SAID_ORDERS_WRITING_BACK,
    'orders.writing_number': SAID_ORDERS_WRITING_NUMBER,
    'shared.answer_lost': SAID_SHARED_ANSWER_LOST,
    'shared.comparing': SAID_SHARED_COMPARING,
    'shared.denied': SAID_SHARED_DENIED,
    'shared.failed': SAID_SHARED_FAILED,
    'shared.left_out': SAID_SHARED_LEFT_OUT,
    'shared.rate_limit': SAID_SHARED_RATE_LIMIT,
    'shared.same_code': SAID_SHARED_SAME_CODE,
    'shared.too_large': SAID_SHARED_TOO_LARGE,
    'shared.twins': SAID_SHARED_TWINS,
    'shared.unreachable': SAID_SHARED_UNREACHABLE,
    'shared.writing': SAID_SHARED_WRITING
};
