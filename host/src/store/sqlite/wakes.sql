-- How many wake-ups a flow has planned is asked by each run that plans one.
CREATE INDEX wakes_flow ON wakes (flow);
