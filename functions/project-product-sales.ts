/** Keeps the view `product-sales`; invoked by the subscriber. */
import { versionsOf } from "../projections/registry.ts";
import { projectorFunction } from "./projector-function.ts";

export const handler = projectorFunction(versionsOf("product-sales"));
