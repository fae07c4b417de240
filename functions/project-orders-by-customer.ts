/** Keeps the view `orders-by-customer`; invoked by the subscriber. */
import { versionsOf } from "../projections/registry.ts";
import { projectorFunction } from "./projector-function.ts";

export const handler = projectorFunction(versionsOf("orders-by-customer"));
