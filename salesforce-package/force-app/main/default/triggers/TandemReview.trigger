trigger TandemReview on Tandem_Review__c(after update) {
    TandemChangePublisher.tell(Trigger.operationType, Trigger.old, Trigger.new);
}
