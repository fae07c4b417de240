/** The view that docs/projections.md writes, as a newcomer would have it after ten minutes. */
import { logisticsEventTypes } from "../../../domain/logistics/events.ts";
import { defineSharedProjection } from "../../../engine/views/projection.ts";

const { ShipmentDispatched } = logisticsEventTypes;

export const freightByCarrier = defineSharedProjection({
  name: "freight-by-carrier",
  version: 1,
  categories: ["shipment"],
  eventTypes: { ShipmentDispatched },
  on: {
    ShipmentDispatched: ({ data: { carrier, freight } }) => [
      {
        key: { partition: "carriers", sort: `${carrier}#${freight.currency}` },
        add: { shipments: 1, freight: freight.amount },
      },
    ],
  },
});
