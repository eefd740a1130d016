// What our proxy honours of Envoy's messages: authorization. See ../honoured.ts.
import type { Honoured } from './honoured-fields.ts'

export const RBAC = {
  'envoy.config.rbac.v3.RBAC': ['action', 'policies'],
  'envoy.config.rbac.v3.Policy': ['permissions', 'principals'],
  'envoy.config.rbac.v3.Permission': [
    'andRules',
    'orRules',
    'any',
    'header',
    'destinationIp',
    'destinationPort',
    'destinationPortRange',
    'metadata',
    'notRule',
    'requestedServerName',
    'urlPath',
  ],
  'envoy.config.rbac.v3.Permission.Set': ['rules'],
  'envoy.config.rbac.v3.Principal': [
    'andIds',
    'orIds',
    'any',
    'authenticated',
    'sourceIp',
    'directRemoteIp',
    'remoteIp',
    'header',
    'metadata',
    'filterState',
    'notId',
    'urlPath',
  ],
  'envoy.config.rbac.v3.Principal.Set': ['ids'],
  'envoy.config.rbac.v3.Principal.Authenticated': ['principalName'],
} as const satisfies Honoured
