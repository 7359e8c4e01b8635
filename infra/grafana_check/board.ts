// Grafana's published types, put together so that a whole board of ours can be checked.
//
// Grafana publishes a dashboard with holes: a panel's `options`, its `fieldConfig.defaults.custom`
// and its `targets` are any object. Here each kind of panel has the options and custom fields that
// its plugin publishes, and a target is one of the server-side expressions, or InfluxQL.
//
// Twice: by @grafana/schema, which Grafana itself is built with, and by
// @grafana/grafana-foundation-sdk, whose Python twin writes our boards.

import type * as schema from "@grafana/schema";
import type * as schemaStat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as schemaStateTimeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.d.ts";
import type * as schemaTable from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";
import type * as schemaText from "@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen.d.ts";
import type * as schemaTimeSeries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";
import type * as schemaCommon from "@grafana/schema/dist/esm/common/common.gen.d.ts";
import type * as alerting from "@grafana/grafana-foundation-sdk/alerting";
import type * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import type * as expr from "@grafana/grafana-foundation-sdk/expr";
import type * as stat from "@grafana/grafana-foundation-sdk/stat";
import type * as statetimeline from "@grafana/grafana-foundation-sdk/statetimeline";
import type * as table from "@grafana/grafana-foundation-sdk/table";
import type * as text from "@grafana/grafana-foundation-sdk/text";
import type * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";

// --- from types of a program to types of a JSON file -------------------------------------------

type IsAny<T> = 0 extends 1 & T ? true : false;
type NumberOf<T extends number> = `${T}` extends `${infer N extends number}` ? N : never;

/** T as it stands in JSON: an enum is its values, and methods are gone. */
export type Json<T> = IsAny<T> extends true
  ? unknown
  : T extends string
    ? `${T}`
    : T extends number
      ? NumberOf<T>
      : T extends boolean | null | undefined
        ? T
        : T extends readonly (infer Item)[]
          ? Json<Item>[]
          : T extends object
            ? { [Key in keyof T as Key extends "_implementsDataqueryVariant" ? never : Key]: Json<T[Key]> }
            : T;

// --- queries -----------------------------------------------------------------------------------

/** Grafana publishes no type of its InfluxDB queries: this is what our boards may say in one. */
interface InfluxTarget {
  datasource: { type: "influxdb"; uid: string };
  refId: string;
  query: string;
  rawQuery: true;
  resultFormat: "time_series" | "table";
  alias?: string;
  hide?: boolean;
  intervalMs?: number;
  maxDataPoints?: number;
}

/** As `InfluxTarget`, for alerts drawn into a history. */
interface InfluxAnnotation {
  refId: string;
  query: string;
  rawQuery: true;
  fromAnnotations: true;
  tagsColumn?: string;
  textColumn?: string;
  titleColumn?: string;
  timeEndColumn?: string;
  textEditor?: boolean;
}

type Expression = Json<expr.expr> & { datasource: { type: "__expr__"; uid: "__expr__" } };
type Target = InfluxTarget | Expression;

// --- panels ------------------------------------------------------------------------------------

/** A link of a cell. The SDK takes it for a link of a dashboard, @grafana/schema for anything. */
interface DataLink {
  title: string;
  url: string;
  targetBlank?: boolean;
}

type FieldOf<Field, Custom> = Json<Omit<Field, "custom" | "links"> & { custom?: Custom }> & { links?: DataLink[] };

/** What an override may set: a property of the field by its name, or one of the plugin's. */
type PropertyOf<Field, Prefix extends string = ""> = {
  [Key in keyof Field & string]-?: { id: `${Prefix}${Key}`; value: Exclude<Field[Key], undefined> };
}[keyof Field & string];

interface FieldsOf<Source extends { overrides: { matcher: unknown }[] }, Field, Custom> {
  defaults: FieldOf<Field, Custom>;
  overrides: {
    matcher: Json<Source["overrides"][number]["matcher"]>;
    properties: (PropertyOf<Omit<FieldOf<Field, Custom>, "custom">> | PropertyOf<Json<Custom>, "custom.">)[];
  }[];
}

type PanelOf<
  Panel,
  Source extends { overrides: { matcher: unknown }[] },
  Field,
  Kind extends string,
  Options,
  Custom,
> = Json<Omit<Panel, "type" | "options" | "fieldConfig" | "targets"> & { type: Kind; options?: Options }> & {
  fieldConfig?: FieldsOf<Source, Field, Custom>;
  targets?: Target[];
};

type SchemaPanel<Kind extends string, Options, Custom> = PanelOf<
  schema.Panel,
  schema.FieldConfigSource,
  schema.FieldConfig,
  Kind,
  Options,
  Custom
>;
type SdkPanel<Kind extends string, Options, Custom> = PanelOf<
  dashboard.Panel,
  dashboard.FieldConfigSource,
  dashboard.FieldConfig,
  Kind,
  Options,
  Custom
>;
type Nothing = Record<string, never>;

/** Grafana's state timeline has editors for these two, and its published types lack them. */
type Gaps = Pick<schemaCommon.GraphFieldConfig, "insertNulls" | "spanNulls">;

type AnySchemaPanel =
  | SchemaPanel<"stat", schemaStat.Options, Nothing>
  | SchemaPanel<"table", schemaTable.Options, schemaTable.FieldConfig>
  | SchemaPanel<"timeseries", schemaTimeSeries.Options, schemaTimeSeries.FieldConfig>
  | SchemaPanel<"state-timeline", schemaStateTimeline.Options, schemaStateTimeline.FieldConfig & Gaps>
  | SchemaPanel<"text", schemaText.Options, Nothing>;
type AnySdkPanel =
  | SdkPanel<"stat", stat.Options, Nothing>
  | SdkPanel<"table", table.Options, table.FieldConfig>
  | SdkPanel<"timeseries", timeseries.Options, timeseries.FieldConfig>
  | SdkPanel<"state-timeline", statetimeline.Options, statetimeline.FieldConfig & Gaps>
  | SdkPanel<"text", text.Options, Nothing>;

type RowOf<Row, Panel> = Json<Omit<Row, "panels">> & { panels: Panel[] };

// --- boards and rules --------------------------------------------------------------------------

/** An annotation of ours is made by a query; both packages know only Grafana's own. */
type Annotation<Base> = Json<Omit<Base, "target">> & { target?: InfluxAnnotation | Json<dashboard.AnnotationTarget> };

/** The SDK writes the settings of interval variables into all; @grafana/schema has them nowhere. */
type SchemaVariable = Json<schema.VariableModel> &
  Pick<Json<dashboard.VariableModel>, "auto" | "auto_min" | "auto_count">;

type BoardOf<Board, Panel, Row, AnnotationQuery, Variable> = Json<
  Omit<Board, "panels" | "annotations" | "templating">
> & {
  panels?: (Panel | RowOf<Row, Panel>)[];
  annotations: { list?: Annotation<AnnotationQuery>[] };
  templating: { list?: Variable[] };
};

export type SchemaBoard = BoardOf<
  schema.Dashboard,
  AnySchemaPanel,
  schema.RowPanel,
  schema.AnnotationQuery,
  SchemaVariable
>;
export type SdkBoard = BoardOf<
  dashboard.Dashboard,
  AnySdkPanel,
  dashboard.RowPanel,
  dashboard.AnnotationQuery,
  Json<dashboard.VariableModel>
>;

type AlertQuery = Json<Omit<alerting.Query, "model">> & { model: Target };
type AlertRule = Json<Omit<alerting.Rule, "data">> & { data: AlertQuery[] };
export type SdkRuleGroup = Json<Omit<alerting.RuleGroup, "rules">> & { rules: AlertRule[] };
