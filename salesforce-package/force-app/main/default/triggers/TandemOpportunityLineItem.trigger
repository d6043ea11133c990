trigger TandemOpportunityLineItem on OpportunityLineItem(after insert, after update, after delete) {
    TandemChangePublisher.tell(Trigger.operationType, Trigger.old, Trigger.new);
}
