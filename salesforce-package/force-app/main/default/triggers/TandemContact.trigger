trigger TandemContact on Contact (after insert, after update, after delete, after undelete) {
    new TandemChangePublisher(null).publish(Trigger.operationType, Trigger.oldMap, Trigger.newMap);
}
