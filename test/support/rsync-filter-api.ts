export { RsyncError } from "../../packages/rsync-protocol/src/errors.ts";
export { FilterChain } from "../../packages/rsync-protocol/src/filter-chain.ts";
export type { FilterRule } from "../../packages/rsync-protocol/src/filter-rule.ts";
export {
  parseFilterRule,
  parsePatternRule,
} from "../../packages/rsync-protocol/src/filter-rule-parser.ts";
export {
  expandMergeRules,
  formatSentFilters,
  type ModuleFilterText,
  parseFilterText,
  parseModuleFilters,
} from "../../packages/rsync-protocol/src/filter-rules.ts";
