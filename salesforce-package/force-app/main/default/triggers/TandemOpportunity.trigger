trigger TandemOpportunity on Opportunity(after insert, after update, after delete, after undelete) {
    TandemChangePublisher.tell(Trigger.operationType, Trigger.old, Trigger.new);
}
