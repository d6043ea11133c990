trigger TandemOpportunityLineItem on OpportunityLineItem (after insert, after update, after delete) {
    new TandemChangePublisher('OpportunityId').publish(Trigger.operationType, Trigger.oldMap, Trigger.newMap);
}
