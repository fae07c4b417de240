/** What the process function is called, which is also where its events are quarantined. */
export const orderToCashProcess = "process-order-to-cash";
